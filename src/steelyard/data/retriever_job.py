"""A retriever of conversations as a job: `steelyard train convretrieval --path conversations.jsonl --encoder ENCODER`.

The encoder learns to find the summary of a conversation from its turns. Measured on held-out conversations: whether
each finds its own summary among those that are held out, by turns alone (`own`); and where rows have a state, recall
and the nearest neighbour's state among the conversations that were learned from, by the turns, by the summaries
themselves (`_summary`: the slow way) and by BM25 on the turns. The run writes RUN/model: the encoder with its gate, and
examples.jsonl, which names for every held-out conversation the ones that were found, as `prompt` for a language model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import tyro

from steelyard.core import NonNegativeInt, Positive, PositiveInt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.data.bm25 import BM25
from steelyard.data.conversation_encoder import ConversationEncoder
from steelyard.data.conversations import Conversation, ConversationColumns
from steelyard.data.convretrieval import ConvRetrieval, Retriever, nearest, recall_at
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy import LoRA
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of
from steelyard.policy.text_states import TextStates
from steelyard.task.base import key_of, split_keys

Plain = tyro.conf.OmitArgPrefixes
EXAMPLES = "examples.jsonl"
KEYS = "keys"
"""Where the encoder of summaries lies that did not learn."""
SHOWN = 4


@checked()
@dataclass(frozen=True)
class RetrieverJob(FittingSettings):
    """Fit an encoder that finds conversations by their summaries."""

    OWN_DATA: ClassVar[str] = "--path conversations.jsonl --encoder ENCODER"
    makes: ClassVar[str] = "retriever"

    rule: Annotated[ConvRetrieval, Plain] = field(default_factory=ConvRetrieval)
    """How it learns."""
    path: str = ""
    """JSONL or Parquet file with columns turns and summary, and perhaps state."""
    columns: Annotated[ConversationColumns, Plain] = field(default_factory=ConversationColumns)
    """Which column plays which role."""
    held_out_share: ShareInside = 0.1
    """Share of the conversations held out of training, chosen by hash of their turns."""
    encoder: str = ""
    """Encoder to start from, such as sentence-transformers/all-MiniLM-L6-v2: a directory or a hub id."""
    encoder_lora_rank: NonNegativeInt = 0
    """Train low-rank adapters of the encoder of this rank instead of all its weights; 0 trains all."""
    encoder_lora_alpha: Positive = 32.0
    """The adapters' update is scaled by this / rank."""
    learning_rate: Positive = 2e-5
    """AdamW's learning rate."""
    device: Device = AUTO
    """Where the encoder computes: auto, cpu, cuda or cuda:NUMBER."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"{self.encoder}, fitted on the conversations in {self.path}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The conversations, the encoder, and how many steps there are."""
        train, held = self._read()
        check_device(self.device)
        self._check()
        _, here = locate(self.encoder)
        model = told_of(self.encoder, here)
        return {"data": _facts(train, held), "encoder": model, "steps": {"steps": self._steps}}

    def open(self) -> FittingWork:
        """Read the conversations and the encoder, and begin to fit, or measure what `fitted` names."""
        train, held = self._read()
        check_device(self.device)
        if self.fitted:
            known = read_retriever(self.rule, Path(self.fitted), self.device)
            return FittingWork(None, Yardstick(self.rule, known, train, held).measure, unwritten, _facts(train, held))
        self._check()
        lora = LoRA.of(self.encoder_lora_rank, self.encoder_lora_alpha, 0.0, "all-linear")
        states = TextStates.load(self.encoder, lora, seed=self.seed, device=self.device)
        retriever = Retriever(self.rule, ConversationEncoder(states, self.rule.selector, seed=self.seed))
        fitting = self.rule.begin(retriever, train, rate=self.learning_rate, seed=self.seed, steps=self._steps)
        yardstick = Yardstick(self.rule, retriever, train, held)
        return FittingWork(fitting, yardstick.measure, yardstick.write, _facts(train, held))

    @property
    def _steps(self) -> int:
        return self.max_steps or self.rule.steps

    def _check(self) -> None:
        hint = "name an encoder of sentences, a directory or a hub id"
        require(bool(self.encoder), "is missing", where="--encoder", hint=hint)

    def _read(self) -> tuple[list[Conversation], list[Conversation]]:
        rows = self.columns.read(self.path, "--path")
        return split_keys(rows, lambda one: key_of(one.text), self.held_out_share, where=self.path)


def _facts(train: Sequence[Conversation], held: Sequence[Conversation]) -> JsonObject:
    states = len({one.state for one in (*train, *held)} - {""})
    return {"train": len(train), "held_out": len(held), "states": states, "notes": {}}


def read_retriever(rule: ConvRetrieval, directory: Path, device: str) -> Retriever:
    """The retriever in RUN/model.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    retriever = Retriever(rule, ConversationEncoder.load(directory, rule.selector, device=device))
    if retriever.frozen is not None:
        retriever.frozen = ConversationEncoder.load(directory / KEYS, rule.selector, device=device)
    return retriever


@dataclass(frozen=True)
class Yardstick:
    """Conversations to find, and conversations that ask."""

    rule: ConvRetrieval
    retriever: Retriever
    pool: Sequence[Conversation]
    asking: Sequence[Conversation]

    def measure(self) -> tuple[JsonObject, list[JsonObject]]:
        """What is found, and some of it to read."""
        pool_ND = self.retriever.embedded_keys([one.summary for one in self.pool]).numpy()
        own_ND = self.retriever.embedded_keys([one.summary for one in self.asking]).numpy()
        query_ND = self.retriever.encoder.embed([one.turns for one in self.asking]).numpy()
        same = np.array([[one.summary == other.summary for other in self.asking] for one in self.asking])
        row: JsonObject = {"eval/own": recall_at(nearest(query_ND @ own_ND.T, 1), same)}
        found_QK = nearest(query_ND @ pool_ND.T, self.rule.examples)
        if self._right is not None:
            slow_QK = nearest(own_ND @ pool_ND.T, self.rule.examples)
            ways = {"": found_QK, "_summary": slow_QK, "_bm25": self._by_words}
            for name, places in ways.items():
                row[f"eval/recall{name}"] = recall_at(places, self._right)
                row[f"eval/nearest{name}"] = float(self._right[np.arange(len(places)), places[:, 0]].mean())
        chosen = zip(self.asking[:SHOWN], found_QK[:SHOWN].tolist(), strict=True)
        return row, [{"prompt": one.text, "completion": self.pool[at[0]].summary} for one, at in chosen]

    def write(self, directory: Path) -> None:
        """Write the retriever, and the examples that it found."""
        self.retriever.encoder.save(directory)
        if self.retriever.frozen is not None:
            self.retriever.frozen.save(directory / KEYS)
        pool_ND = self.retriever.embedded_keys([one.summary for one in self.pool]).numpy()
        query_ND = self.retriever.encoder.embed([one.turns for one in self.asking]).numpy()
        found_QK = nearest(query_ND @ pool_ND.T, self.rule.examples).tolist()
        rows = [self._row(one, places) for one, places in zip(self.asking, found_QK, strict=True)]
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (directory / EXAMPLES).write_text("".join(lines), encoding="utf-8")

    def _row(self, asking: Conversation, places: Sequence[int]) -> JsonObject:
        shots = [self.pool[i] for i in reversed(places)]  # the nearest stands next to the question
        shown = [f"{one.text}\n=> {one.state or one.summary}\n\n" for one in shots]
        answer = {"answer": asking.state} if asking.state else {}
        return {
            "prompt": "".join([*shown, f"{asking.text}\n=> "]),
            "summaries": [one.summary for one in shots],
        } | answer

    @cached_property
    def _right(self) -> np.ndarray | None:
        """Which conversations of the pool have the state of one that asks; None where no row has a state."""
        asking, pool = (np.array([one.state for one in part]) for part in (self.asking, self.pool))
        return asking[:, None] == pool if all(asking) else None

    @cached_property
    def _by_words(self) -> np.ndarray:
        index = BM25().index([one.text for one in self.pool])
        return nearest(np.stack([index.scores(one.text) for one in self.asking]), self.rule.examples)
