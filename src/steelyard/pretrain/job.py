"""Pretraining as a job: `steelyard train phf --model DIR --documents d.jsonl`.

A model goes on learning the language of a file of documents, plain or scored (`document_file.py`). Tags that the method
writes and the model lacks become tokens of its vocabulary. Every document is a row of its own: nothing is packed. One
that is longer than `max_length` is cut into pieces that follow each other, so no token is lost.

    eval/held_out_loss    nats a token of held-out documents as the method presents them; its tags are not counted
    eval/sample_score     mean score of samples that begin with the first tag, where there is a scorer
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import (
    PositiveInt,
    Prompt,
    ShareBelowOne,
    SteelyardError,
    Trajectory,
    checked,
    needs_of,
    require,
)
from steelyard.core.json import JsonObject
from steelyard.learner import Adam
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.policy.added_tokens import load_with_tokens, teach, unknown
from steelyard.pretrain.as_given import AsGiven
from steelyard.pretrain.document import Document, Preparation, beginning_of, pieces, trajectory_of
from steelyard.pretrain.document_file import DocumentFile
from steelyard.pretrain.held_out import HeldOutText, text_alone
from steelyard.pretrain.known_scores import KnownScores
from steelyard.task.base import make_prompt, split_keys

Plain = tyro.conf.OmitArgPrefixes
CUT = "documents of more than {} tokens, each cut into pieces that follow each other"
_WORDS = 4


class Splits(NamedTuple):
    """What was read."""

    train: list[Document]
    """As they are trained on."""
    held_out: list[Document]
    """As they are presented."""
    read: int
    """Documents in the file, held-out ones not counted."""
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class Pretraining(ModelJob):
    """Continue to pretrain a model on documents."""

    OWN_DATA: ClassVar[str] = "--documents documents.jsonl"

    objective: Annotated[Objective, Plain] = field(default_factory=SFT)
    """The loss."""
    preparation: Annotated[Preparation, Plain] = field(default_factory=AsGiven)
    """What is done to the documents before."""
    documents: str = ""
    """JSONL or Parquet file: a column text, perhaps with score, or a column segments with texts and scores."""
    held_out: str = ""
    """File of held-out documents; empty holds a share of the others out."""
    held_out_share: ShareBelowOne = 0.05
    """Share of the documents held out of training, chosen by hash of the text; at least one, unless it is 0."""
    held_out_documents: PositiveInt = 256
    """Held-out documents that are measured, the first ones."""
    max_length: PositiveInt | None = None
    """Most tokens of a row; None for the model's context. Longer documents are cut into pieces."""
    samples: PositiveInt = 8
    """Texts that are sampled at each evaluation."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a sampled text."""
    file: Annotated[DocumentFile, Plain] = field(default_factory=DocumentFile)
    """How rows become documents."""
    optimizer: Adam = field(default_factory=lambda: Adam(beta2=0.98))
    """Adam, clipping and the learning-rate schedule."""

    @property
    def title(self) -> str:
        """What is done to the documents, and by what they are learned."""
        before = "" if isinstance(self.preparation, AsGiven) else f"{type(self.preparation).__name__}, then "
        return f"{before}{type(self.objective).__name__} on {self.documents}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """The first tag alone; where there are no tags, the first words of held-out documents."""
        policy = self.planned_policy()
        if policy is None:
            raise SteelyardError(f"{self.model} is not on this machine", where="--model", hint="download it first")
        begun = "" if policy.encode("") else policy.tokenizer.decode(beginning_of(policy))
        if self.preparation.tags:
            text = begun + self.preparation.tags[0]
            return [make_prompt(text, {})]
        held = self._read().held_out or self._read().train
        return [make_prompt(begun + " ".join(d.text.split(" ")[:_WORDS]), {}) for d in held]

    def plan(self) -> Mapping[str, JsonObject]:
        """The documents, the model, and how many steps there are."""
        splits = self._read()
        policy = self.planned_policy()
        if policy is None:
            return {"data": self._facts(splits), "model": self.planned_model(policy)}
        new = self._teach(policy)
        self._before(policy)
        rows, notes = self._rows(policy, splits.train)
        facts = self._facts(splits, notes)
        model = self.planned_model(policy) | ({"new_tokens": ", ".join(new)} if new else {})
        tokens = sum(len(t.tokens_T) for t in rows)
        found = {"rows": len(rows), "tokens": tokens, "longest": max(len(t.tokens_T) for t in rows)}
        return {"data": facts | found, "model": model, "steps": {"steps": self.steps_over(len(rows))}}

    def open(self) -> GivenData:
        """Read the documents, score and prepare them, and load the model."""
        return self._open(KnownScores())

    def reopen(self, kept: Path) -> GivenData:
        """The same with the scores that a checkpoint holds."""
        return self._open(KnownScores.read(kept))

    def _open(self, known: KnownScores) -> GivenData:
        splits = self._read(known)
        policy = self.policy()
        rows, notes = self._rows(policy, splits.train)
        held, _ = self._rows(policy, splits.held_out[: self.held_out_documents])
        facts = self._facts(splits, notes) | {"rows": len(rows)}
        before, tags = self._before(policy)
        measure = HeldOutText(
            policy,
            [text_alone(t, tags) for t in held],
            before,
            self.samples,
            self.max_completion_length,
            self.seed,
            self.file if self.file.scores else None,
        )
        return GivenData(
            self.learner(policy, self.objective),
            lambda step: [[rows[i]] for i in epoch_batch(step, len(rows), self.batch_size, self.seed, "documents")],
            self.steps_over(len(rows)),
            measure,
            facts,
            known.write,
        )

    def policy(self) -> Policy:
        """The model, with the method's tags in its vocabulary.

        Raises:
            SteelyardError: as for any job, or new tags would have to be learned by adapters.
        """
        if not self.preparation.tags:
            return super().policy()
        planned = self.planned_policy()
        if planned is not None and not unknown(planned.tokenizer, self.preparation.tags):
            return super().policy()
        self._require_all_weights()
        return self.prepared(load_with_tokens(self.model, self.preparation.tags, dtype=self.dtype, seed=self.seed))

    def _teach(self, policy: Policy) -> list[str]:
        """Give a policy without weights the tags that it lacks; returns them."""
        new = unknown(policy.tokenizer, self.preparation.tags)
        if new:
            self._require_all_weights()
            teach(policy.tokenizer, new)
        return new

    def _before(self, policy: Policy) -> tuple[list[int], list[int]]:
        """The tokens that stand before a sampled text, and those of the tags.

        Raises:
            SteelyardError: the context leaves no room for a sampled text.
        """
        tags = [policy.tokenizer.get_vocab()[tag] for tag in self.preparation.tags]
        before = [*beginning_of(policy), *tags[:1]]
        room = policy.context_length - len(before)
        what = f"is {self.max_completion_length}, and the context leaves {room}"
        require(self.max_completion_length <= room, what, where="--max-completion-length", hint="lower it")
        return before, tags

    def _require_all_weights(self) -> None:
        hint = "leave it out, or begin with a model that has the tags"
        what = "is set, and the model lacks the tags, whose embeddings adapters do not train"
        require(not self.lora_rank, what, where="--lora-rank", hint=hint)

    def _read(self, known: KnownScores | None = None) -> Splits:
        scored = self.preparation.needs_scores or "reward_PGT" in needs_of(self.objective).fields
        documents, notes = self.file.read(self.documents, "--documents", scored=scored, known=known)
        if self.held_out:
            held, more = self.file.read(self.held_out, "--held-out", scored=scored, known=known)
            notes = notes + more
        else:
            documents, held = self._split(documents)
        prepared = self.preparation.prepare(documents)
        left = len(documents) - len(prepared)
        if left:
            notes[f"documents left out by {type(self.preparation).__name__}"] = left
        return Splits(prepared, self.preparation.present(held), len(documents), notes)

    def _split(self, documents: list[Document]) -> tuple[list[Document], list[Document]]:
        """Documents to train on, and held-out ones: by hash of the text, so that equal ones are on one side."""
        if not self.held_out_share:
            return documents, []
        return split_keys(documents, lambda d: d.text, self.held_out_share, where=self.documents)

    def _facts(self, splits: Splits, notes: Counter[str] | None = None) -> JsonObject:
        return {
            "documents": splits.read,
            "trained_on": len(splits.train),
            "held_out": len(splits.held_out),
            "notes": dict(splits.notes + (notes or Counter())),
        }

    def _rows(self, policy: Policy, documents: Sequence[Document]) -> tuple[list[Trajectory], Counter[str]]:
        """The documents in tokens, long ones in pieces; and how many were cut."""
        context = policy.context_length
        most = min(self.max_length or context, context)
        require(most >= 2, f"is {most}", where="--max-length", hint="use 2 or more")
        whole = [trajectory_of(policy, d) for d in documents]
        long = sum(len(t.tokens_T) > most for t in whole)
        return [piece for t in whole for piece in pieces(t, most)], Counter({CUT.format(most): long} if long else {})
