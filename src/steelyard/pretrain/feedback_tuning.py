"""Tuning under feedback as a job: `steelyard train dress --model DIR --path critiqued.jsonl`.

Of each row its response is learned under what was said of it, and what came of refinements turn by turn (`dress.py`).
`steelyard sample RUN` asks under the best condition: the highest score of the file, with the critique that stands most
often beside it. What is measured, on held-out rows: `held_out_feedback.py`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import PositiveInt, Prompt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.context_room import Size, size_of, with_room
from steelyard.pretrain.dress import DRESS, Told
from steelyard.pretrain.held_out_feedback import HeldOutFeedback, check_scorer
from steelyard.reward import FunctionReward
from steelyard.task.base import key_of, split_keys
from steelyard.task.critiqued import Critiqued, CritiquedFile

Plain = tyro.conf.OmitArgPrefixes
NOTHING = "rows left out because nothing is learned of them"


class Splits(NamedTuple):
    """What was read."""

    train: list[Critiqued]
    held_out: list[Critiqued]
    best: Told
    worst: Told
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class FeedbackTuning(ModelJob):
    """Teach a model responses under what was said of them."""

    OWN_DATA: ClassVar[str] = "--path critiqued.jsonl"

    conditions: Annotated[DRESS, Plain] = field(default_factory=DRESS)
    """How feedback becomes a condition."""
    path: str = ""
    """JSONL or Parquet file with columns prompt and response, and score, critique, or refinement and next."""
    held_out: str = ""
    """File that is held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    held_out_rows: PositiveInt = 128
    """Held-out rows that are measured, the first ones."""
    best_score: float | None = None
    """Score of the best condition; None for the highest of the file."""
    best_critique: str = ""
    """Critique of the best condition; empty for the one that stands most often beside its score."""
    scorer: str = ""
    """A function module:function(prompts, completions, **columns) that scores held-out responses; higher is better."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a response that is measured or sampled."""
    file: Annotated[CritiquedFile, Plain] = field(default_factory=CritiquedFile)
    """How rows become responses with feedback."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"DRESS on {self.path}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts under the best condition, each once."""
        splits = self._read()
        prompts = {row.prompt.id: row.prompt for row in splits.held_out}.values()
        return [replace(one, text=self.conditions.conditioned(one.text, splits.best)) for one in prompts]

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, the best condition, the model, and how many steps there are."""
        splits = self._read()
        policy = self.planned_policy()
        if policy is None:
            return {"data": self._facts(splits), "model": self.planned_model(policy)}
        splits = self._fitting(policy, splits)
        number = sum(1 for row in splits.train for _ in self.conditions.lessons(policy, row))
        facts = self._facts(splits) | {"lessons": number}
        return {"data": facts, "model": self.planned_model(policy), "steps": {"steps": self.steps_over(number)}}

    def open(self) -> GivenData:
        """Read the rows and load the model."""
        read = self._read()
        policy = self.policy()
        splits = self._fitting(policy, read)
        check_scorer(self.scorer, splits.held_out[:2])
        lessons = [lesson for row in splits.train for lesson in self.conditions.lessons(policy, row)]
        measure = HeldOutFeedback(
            policy,
            self.conditions,
            splits.held_out[: self.held_out_rows],
            splits.best,
            splits.worst,
            self.scorer,
            self.max_completion_length,
        )
        return GivenData(
            self.learner(policy, SFT()),
            lambda step: [[lessons[i]] for i in epoch_batch(step, len(lessons), self.batch_size, self.seed, "lessons")],
            self.steps_over(len(lessons)),
            measure,
            self._facts(splits) | {"lessons": len(lessons)},
        )

    def _read(self) -> Splits:
        if self.scorer:
            FunctionReward(self.scorer)
        train = self.file.read(self.path, "--path")
        if self.held_out:
            held = self.file.read(self.held_out, "--held-out")
        else:
            train, held = split_keys(train, lambda row: key_of(row.prompt.text), self.held_out_share, where=self.path)
        kept, able = ([row for row in rows if self._teaches(row)] for rows in (train, held))
        for rows, path in ((kept, self.path), (able, self.held_out or self.path)):
            hint = "give rows with a score or critique, or leave out --no-refinements"
            require(bool(rows), "nothing is said of any response", where=path, hint=hint)
        left = len(train) + len(held) - len(kept) - len(able)
        return Splits(kept, able, self._best(kept), _extreme(kept, min), Counter({NOTHING: left} if left else {}))

    def _teaches(self, row: Critiqued) -> bool:
        return self.conditions.rates(row) or (self.conditions.refinements and bool(row.turns))

    def _best(self, rows: Sequence[Critiqued]) -> Told:
        found = _extreme(rows, max) if self.best_score is None else _beside(rows, self.best_score)
        best = Told(found.score, self.best_critique or found.critique)
        rated = any(map(self.conditions.rates, rows))
        hint = "name the critique of a good response, or give scores"
        require(best != Told() or not rated, "is missing, and no row has a score", where="--best-critique", hint=hint)
        return best

    def _fitting(self, policy: Policy, splits: Splits) -> Splits:
        """The rows that fit the context, held-out ones with room for a response; others are counted."""

        def size(row: Critiqued) -> Size:
            tolds = {Told(row.score, row.critique), splits.best, splits.worst}
            every = [self.conditions.response(policy, row, told) for told in tolds]
            if row.turns and self.conditions.refinements:
                every.append(self.conditions.refined(policy, row.prompt, row.response, row.turns))
            return size_of(every)

        room = {"context": policy.context_length, "answer": self.max_completion_length}
        kept, able, left = with_room(splits.train, splits.held_out, size, **room, what="row", path=self.path)
        return splits._replace(train=kept, held_out=able, notes=splits.notes + left)

    def _facts(self, splits: Splits) -> JsonObject:
        best = self.conditions.conditioned("", splits.best)
        return {
            "train": len(splits.train),
            "held_out": len(splits.held_out),
            "rated": sum(row.rated for row in splits.train),
            "refined": sum(bool(row.turns) for row in splits.train),
            "best": str(best).strip(),
            "notes": dict(splits.notes),
        }


def _extreme(rows: Sequence[Critiqued], pick: Callable[[Sequence[float]], float]) -> Told:
    """The highest score, or the lowest, with the critique that stands most often beside it; nothing without scores."""
    scores = [row.score for row in rows if row.score is not None]
    return _beside(rows, pick(scores)) if scores else Told()


def _beside(rows: Sequence[Critiqued], score: float) -> Told:
    """A score with the critique that stands most often beside it."""
    critiques = Counter(row.critique for row in rows if row.score == score and row.critique)
    return Told(score, critiques.most_common(1)[0][0] if critiques else "")
