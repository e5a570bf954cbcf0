"""KARD as a job: `steelyard train kard --path questions.jsonl --knowledge passages.jsonl --model DIR --encoder DIR`.

A model learns rationales and answers beside the passages that the rationales find; meanwhile a reranker, which is the
encoder, learns to find them by the question alone. Without `--encoder` there is none, and BM25 on the question finds
the passages of held-out questions. Measured on these: `found`, how often the rationale's best passage stands beside the
question, `found_bm25` without the reranker, `accuracy` by vote, and the loss of rationale and answer. The run writes
RUN/model, the language model, with the reranker in RUN/model/reranker.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegativeInt, Positive, PositiveInt, Prompt, ShareInside, Trajectory, checked
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.data.bm25 import Index
from steelyard.data.kard import KARD
from steelyard.data.late_interaction import LateInteraction
from steelyard.learner import demonstration
from steelyard.learner.fitting import Fitting
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT
from steelyard.policy import LoRA, Policy
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of
from steelyard.policy.text_states import TextStates
from steelyard.pretrain.context_room import Size, size_of, with_room
from steelyard.task.base import key_of, split_keys
from steelyard.training.held_out_knowledge import HeldOutKnowledge
from steelyard.training.knowledge_rows import Reasoned, ReasonedFile, facts_of, knowledge_of

Plain = tyro.conf.OmitArgPrefixes
RERANKER = "reranker"


@checked()
@dataclass(frozen=True)
class KnowledgeTuning(ModelJob):
    """Teach a model rationales beside passages, and a reranker to find these."""

    OWN_DATA: ClassVar[str] = "--path reasoned.jsonl --knowledge passages.jsonl --encoder ENCODER"

    kard: Annotated[KARD, Plain] = field(default_factory=KARD)
    """What stands beside a question, and how it is found."""
    path: str = ""
    """JSONL or Parquet file with columns prompt, rationale and answer."""
    held_out: str = ""
    """File that is held out; empty holds a share of the questions out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the questions held out of training, chosen by hash of the question."""
    held_out_rows: PositiveInt = 128
    """Held-out rows that are measured, the first ones."""
    file: Annotated[ReasonedFile, Plain] = field(default_factory=ReasonedFile)
    """How rows become questions with rationales."""
    knowledge: str = ""
    """JSONL or Parquet file of passages."""
    knowledge_column: str = "text"
    """Its column with a passage."""
    encoder: str = ""
    """Encoder that becomes the reranker: a directory or a hub id; empty for none."""
    encoder_lora_rank: NonNegativeInt = 16
    """Train low-rank adapters of the encoder of this rank instead of all its weights; 0 trains all."""
    encoder_lora_alpha: Positive = 32.0
    """The adapters' update is scaled by this / rank."""
    max_completion_length: PositiveInt = 256
    """Most tokens of a rationale with its answer, where they are written."""
    fitted_reranker: Annotated[str, tyro.conf.Suppress] = ""
    """A reranker that is used as it is; empty to fit one."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"KARD on {self.path} with {self.knowledge}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out questions, with the passages that are found for them."""
        _, held, index = self._read()
        reranker = self._fitted()
        return [self._prompt(row, index, self.kard.found(index, row.question, reranker)) for row in held]

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows and passages, both models, and how many steps there are."""
        train, held, index = self._read()
        policy, notes = self.planned_policy(), Counter[str]()
        if policy is not None:
            train, held, notes = self._fitting(policy, train, held, index)
        found = {"data": {**facts_of(train, held, index, notes)}, "model": self.planned_model(policy)}
        steps: JsonObject = {"steps": self.steps_over(len(train)), "epochs": self.epochs}
        if self.encoder:
            _, here = locate(self.encoder)
            found["reranker"] = told_of(self.encoder, here)
            steps["reranker's"] = self.kard.reranker_steps(len(train))
        return found | {"steps": steps}

    def open(self) -> "KnowledgeWork":
        """Read the rows, the passages and both models."""
        train, held, index = self._read()
        policy = self.policy()
        train, held, notes = self._fitting(policy, train, held, index)
        lessons = [self._lesson(policy, row, index) for row in train]
        reranker = self._reranker()
        measured = held[: self.held_out_rows]
        student = GivenData(
            self.learner(policy, SFT()),
            lambda step: [[lessons[i]] for i in epoch_batch(step, len(lessons), self.batch_size, self.seed, "rows")],
            self.steps_over(len(lessons)),
            HeldOutKnowledge(
                policy, self.kard, self.file, index, measured, reranker, self.max_completion_length, self.seed
            ),
            facts_of(train, held, index, notes),
        )
        fitting = None
        if reranker is not None and not self.fitted_reranker:
            texts = [row.question for row in train], [row.rationale for row in train]
            fitting = self.kard.begin(reranker, index, *texts, seed=self.seed)
        return KnowledgeWork(student, reranker, fitting)

    def trained(self, model: Path) -> "KnowledgeTuning":
        """The same job on what it wrote."""
        there = model / RERANKER
        return replace(
            self, model=str(model), lora_rank=0, fitted_reranker=str(there) if there.is_dir() else "", encoder=""
        )

    def _read(self) -> tuple[list[Reasoned], list[Reasoned], Index]:
        index = knowledge_of(self.knowledge, self.knowledge_column)
        rows = self.file.reasoned(self.path, "--path")
        if self.held_out:
            return rows, self.file.reasoned(self.held_out, "--held-out"), index
        return *split_keys(rows, lambda row: key_of(row.question), self.held_out_share, where=self.path), index

    def _fitting(
        self, policy: Policy, train: list[Reasoned], held: list[Reasoned], index: Index
    ) -> tuple[list[Reasoned], list[Reasoned], Counter[str]]:
        """The rows that fit the context, held-out ones with room for an answer; others are counted.

        What is found for a held-out question is not known yet, so it has room for the longest that may be.
        """
        length = cache(lambda place: len(policy.encode(index.texts[place])))
        asking = {row.place for row in held}

        def size(row: Reasoned) -> Size:
            silver = self._lesson(policy, row, index)
            if row.place not in asking:
                return size_of([silver])
            longest = sorted(index.best(row.question, self.kard.reranked), key=length, reverse=True)
            return size_of([silver, self._beside(policy, row, index, longest[: self.kard.passages])])

        room = {"context": policy.context_length, "answer": self.max_completion_length}
        return with_room(train, held, size, **room, what="row", path=self.path)

    def _lesson(self, policy: Policy, row: Reasoned, index: Index) -> Trajectory:
        return self._beside(policy, row, index, self.kard.silver(index, row.question, row.rationale))

    def _beside(self, policy: Policy, row: Reasoned, index: Index, places: Sequence[int]) -> Trajectory:
        taught = self.kard.taught(row.rationale, row.answer)
        return demonstration(policy, self._prompt(row, index, places), taught)

    def _prompt(self, row: Reasoned, index: Index, places: Sequence[int]) -> Prompt:
        return self.file.prompt_with(self.kard.asked(row.question, [index.texts[i] for i in places]), row)

    def _fitted(self) -> LateInteraction | None:
        return LateInteraction.load(Path(self.fitted_reranker), device=self.device) if self.fitted_reranker else None

    def _reranker(self) -> LateInteraction | None:
        """The one that is fitted, or one that is yet to be."""
        if not self.encoder:
            return self._fitted()
        lora = LoRA.of(self.encoder_lora_rank, self.encoder_lora_alpha, 0.0, "all-linear")
        states = TextStates.load(self.encoder, lora, seed=self.seed, device=self.device)
        return LateInteraction(states, width=self.kard.width, seed=self.seed)


@dataclass
class KnowledgeWork:
    """A `Work` of a student and a reranker, who end together."""

    student: GivenData
    reranker: LateInteraction | None
    fitting: Fitting | None
    """The reranker's; None where it is used as it is, or there is none."""

    @property
    def steps(self) -> int:
        """Steps of the student that are made."""
        return self.student.steps

    @property
    def num_steps(self) -> int:
        """Steps of the student in all."""
        return self.student.num_steps

    @property
    def facts(self) -> JsonMapping:
        """The data in numbers."""
        return self.student.facts

    def step(self) -> JsonObject:
        """One of the student, and as many of the reranker as keep it level."""
        row = self.student.step()
        if self.fitting is None:
            return row
        due = -(-self.fitting.num_steps * self.student.steps // self.student.num_steps)
        losses = [self.fitting.step() for _ in range(due - self.fitting.steps)]
        return {**row, "reranker/loss": sum(losses) / len(losses)} if losses else row

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure both as they are."""
        return self.student.evaluate()

    def save(self, directory: Path) -> None:
        """Write both, whose files have different names."""
        self.student.save(directory)
        if self.fitting is not None:
            self.fitting.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on with both."""
        self.student.restore(directory)
        if self.fitting is not None:
            self.fitting.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write the language model, and the reranker in a directory of it."""
        self.student.save_model(directory)
        if self.reranker is not None:
            self.reranker.save(directory / RERANKER)

    def close(self) -> None:
        """There are no child processes."""
