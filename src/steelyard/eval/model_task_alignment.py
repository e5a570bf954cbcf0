"""Model-task alignment: pass@k of a base on a task, and which cheap RL may be trusted there, before a run is paid for.

Differs: the source has no threshold that we could confirm; `high` is ours, and a share near it is left undecided. What
the source concludes from trained models is here a rule on the base's own samples: beside pass@k, a reward without a
verifier must tell right samples from wrong ones.

    pass@k   = mean over prompts of 1 - C(n - c, k) / C(n, k),     k = 1, 2, 4, ... and n
    aligned  where Wilson's 95 % interval of pass@n is above `high`; not where it is below; in between nobody can tell
    agrees   = mean over prompts with right and wrong samples of P(r right > r wrong) + P(r right = r wrong) / 2

n samples of a prompt, of which c are right; r is a reward of the panel (`reward.spurious`). `agrees` is 1/2 for a coin.
A truthful verifier is trusted where some prompt has right and wrong samples; a coin flip, wrong rewards, one example
and negatives alone where the model is aligned; format, majority vote and confidence where it is aligned and they agree
by 1/2 or more. Prompts can be measured apart, one row for each value of a column.
Source: Wu et al. 2025, arXiv:2508.21188; pass@k without bias by Chen et al. 2021, arXiv:2107.03374.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import tyro
from msgspec import Meta

from steelyard.core import (
    Positive,
    PositiveInt,
    Prompt,
    Reward,
    Sampling,
    Seed,
    ShareInside,
    Weights,
    hash_share,
    method,
    require,
)
from steelyard.core.auc import auc
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.eval.answers import Answer, Examiner
from steelyard.eval.estimates import pass_at_k, wilson
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.copied import copied
from steelyard.reward import Closable, MathVerify, Spurious, reward_function
from steelyard.reward.spurious import Kind
from steelyard.rollout import engine_for
from steelyard.task import Rows
from steelyard.task.answered import AnsweredFile

Number = float | int | None
AGREEING: Mapping[Kind, str] = {
    "format": "the format",
    "majority": "the majority vote",
    "confidence": "the mean log-probability",
}
"""Rewards that see no right answer, and what they pay for."""
WITH_ALIGNMENT = ("coin_flip", "wrong", "one_example", "negatives")
"""What is trusted by pass@k alone."""
NEEDS = {
    "truth": "Rewards by a verifier: some prompt has right and wrong samples.",
    "coin_flip": "Rewards by a coin, spurious:coin-flip.",
    "wrong": "Rewards for wrong answers, spurious:wrong.",
    "one_example": "A run on a single prompt.",
    "negatives": "Learning from wrong samples alone, rows-topr --positive 0 0.",
    "format": "Rewards for the format, spurious:format.",
    "majority": "Rewards by a majority vote, spurious:majority.",
    "confidence": "Rewards for confidence, spurious:confidence.",
}


@method(
    "model-task-alignment",
    paper="arXiv:2508.21188",
    claim="Spurious rewards, one example or negatives alone suffice only where the base's pass@k is already high.",
)
@dataclass(frozen=True)
class ModelTaskAlignment(Auditor):
    """Settings of the preflight."""

    samples: Annotated[int, Meta(ge=2)] = 16
    """Samples of each prompt, n: the largest k of pass@k."""
    prompts: PositiveInt = 128
    """Most prompts that are asked, of each row of the table; which ones is decided by a hash."""
    high: ShareInside = 0.8
    """pass@n from which a model is aligned with a task."""
    by: str = ""
    """Column whose values are measured apart, such as a task or a level; empty for all rows together."""
    pattern: str = ""
    """Regular expression of the format, which a completion fits from end to end; empty for any that has an answer."""
    reward: str = ""
    """What is right: module:function(prompts, completions, **columns); empty for the rows' answers."""
    correct_at: float = 1.0
    """Lowest score that counts as right."""
    temperature: Positive = 1.0
    """Of the samples: that of the run which is planned."""
    max_completion_length: PositiveInt = 256
    """Most tokens of a completion; fewer where the model's context ends before."""
    seed: Seed = 0
    """Of the samples."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How rows become prompts."""

    def __post_init__(self) -> None:
        Spurious("format", self.pattern)  # refuses what is no pattern

    def columns(self) -> tuple[Column, ...]:
        """The prompt, and the answer where no reward is named; a reward gets all others, too."""
        (prompt, *_), (answer, *_) = self.file.columns.prompts, self.file.columns.answers
        return (Column(prompt),) if self.reward else (Column(prompt), Column(answer))

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """One row for all prompts, or for each value of the column `by`; of rows with one prompt the first counts.

        Raises:
            SteelyardError: there are no rows, one has no prompt or no answer, or no sample could be scored.
        """
        require(len(rows) > 0, "there are no rows", where="model-task-alignment", hint="give at least one question")
        verifier = reward_function(self.reward) if self.reward else MathVerify()
        try:
            found = {name: self._measured(policy, some, verifier) for name, some in self._parted(rows).items()}
        finally:
            if isinstance(verifier, Closable):
                verifier.close()
        return Table(measures(self.samples), tuple((name, tuple(row)) for name, row in sorted(found.items())))

    def _parted(self, rows: Sequence[PlacedRow]) -> dict[str, list[Prompt]]:
        """Row of the table -> its prompts, in an order that the file's does not change."""
        parts: dict[str, dict[str, Prompt]] = {}
        for place, row in rows:
            where = "model-task-alignment.by"
            require(not self.by or self.by in row, f"{place} has no column {self.by!r}", where=where, hint="write it")
            prompt = self.file.asked(row, place, answered=not self.reward)
            parts.setdefault(str(row[self.by]) if self.by else "all", {}).setdefault(prompt.id, prompt)
        ordered = {name: sorted(some.values(), key=lambda p: (hash_share(p.id), p.id)) for name, some in parts.items()}
        return {name: some[: self.prompts] for name, some in ordered.items()}

    def _measured(self, policy: Policy, prompts: Sequence[Prompt], verifier: Reward) -> list[Number]:
        """A row of the table."""
        groups = [group for group in self._answers(policy, prompts, verifier) if group]
        what = "no sample could be scored"
        require(bool(groups), what, where="model-task-alignment", hint="mend the answers or the reward function")
        counts = [(len(group), sum(a.correct for a in group)) for group in groups]
        whole = [right for number, right in counts if number == self.samples]
        low, high = wilson(sum(right > 0 for right in whole), len(whole))
        mixed = [0 < right < number for number, right in counts]
        paid: dict[Kind, list[list[float | None]]] = {
            kind: [self._paid(kind, group) for group in groups] for kind in AGREEING
        }
        agrees: dict[Kind, float | None] = {
            kind: _mean([agreement(p, g) for p, g in zip(some, groups, strict=True)]) for kind, some in paid.items()
        }
        return [
            len(groups),
            *(_mean([pass_at_k(n, c, k) for n, c in counts if n >= k]) for k in powers(self.samples)),
            low,
            high,
            _mean(mixed),
            _mean([chosen(votes, group) for votes, group in zip(paid["majority"], groups, strict=True)]),
            _mean([a.trajectory.finish == "length" for group in groups for a in group]),
            _mean([x for some in paid["confidence"] for x in some]),
            *agrees.values(),
            *self._trusted(low, high, any(mixed), agrees).values(),
        ]

    def _paid(self, kind: Kind, group: Sequence[Answer]) -> list[float | None]:
        """What a reward of the panel gives to the samples of a prompt."""
        return [score.value for score in Spurious(kind, self.pattern)([a.episode for a in group])]

    def _answers(self, policy: Policy, prompts: Sequence[Prompt], verifier: Reward) -> list[list[Answer]]:
        """The samples of each prompt that have a score."""
        asked = copied(policy)
        longest = max(len(asked.encode(prompt.text)) for prompt in prompts)
        left = asked.context_length - longest
        hint = "take a model with a longer context, or leave the question out"
        what = f"a prompt has {longest} tokens, and the context ends"
        require(left > 0, what, where="model-task-alignment", hint=hint)
        engine = engine_for(asked, self.seed)
        engine.load(Weights.of(asked.weights(), 0))
        # the verifier stands in for that of a task, of which nothing else is asked
        task = Rows(needs_answer=False)
        examiner = Examiner(engine, task, asked.encode, asked.decode, self.correct_at, reward=verifier)
        sampling = Sampling(self.temperature, min(self.max_completion_length, left))
        found = examiner.ask(prompts, self.samples, sampling)
        return [[a for a in group if a.value is not None] for group in found]

    def _trusted(self, low: float, high: float, mixed: bool, agrees: Mapping[Kind, float | None]) -> dict[str, Number]:
        """Shortcut -> 1 where it may be trusted, 0 where not, None where the samples do not tell."""
        aligned = 1 if low >= self.high else 0 if high < self.high else None
        found: dict[str, Number] = {"truth": int(mixed), **dict.fromkeys(WITH_ALIGNMENT, aligned)}
        for name, share in agrees.items():
            found[name] = 0 if share is not None and share < 0.5 else aligned
        return {name: found[name] for name in NEEDS}


def agreement(paid: Sequence[float | None], group: Sequence[Answer]) -> float | None:
    """How often a reward pays a right sample more than a wrong one; None where the prompt has not both."""
    known = [(value, a.correct) for value, a in zip(paid, group, strict=True) if value is not None]
    right = np.array([value for value, correct in known if correct], np.float64)
    wrong = np.array([value for value, correct in known if not correct], np.float64)
    return auc(right, wrong) if len(right) and len(wrong) else None


def chosen(votes: Sequence[float | None], group: Sequence[Answer]) -> bool:
    """Whether what the majority says is right."""
    return any(a.correct for vote, a in zip(votes, group, strict=True) if vote == 1.0)


def powers(samples: int) -> list[int]:
    """1, 2, 4, ... and the number of samples."""
    return sorted({2**i for i in range(samples.bit_length())} | {samples})


def measures(samples: int) -> tuple[Measure, ...]:
    """The columns of the table."""
    agreement = "a right sample is paid more than a wrong one of its prompt; 0.5 is a coin's"
    return (
        Measure("prompts", "number", "Prompts with a scored sample."),
        *(Measure(f"pass_at_{k}", "share", f"Prompts that {k} samples solve, without bias.") for k in powers(samples)),
        Measure("low", "share", f"Low end of the 95 % interval of pass_at_{samples}."),
        Measure("high", "share", f"High end of the 95 % interval of pass_at_{samples}."),
        Measure("mixed", "share", "Prompts with right and wrong samples: what RL learns from."),
        Measure("majority_right", "share", "Prompts whose majority answer is right."),
        Measure("cut_off", "share", "Samples that reached their limit."),
        Measure("confidence", "nats a token", "Mean log-probability of sampled tokens, the mean over samples."),
        *(Measure(f"{name}_agrees", "share", f"By {what}, {agreement}.") for name, what in AGREEING.items()),
        *(Measure(f"trust_{name}", "1 yes, 0 no", f"{what} Empty: more prompts would tell.")
          for name, what in NEEDS.items()),
    )  # fmt: skip


def _mean(values: Sequence[float | bool | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
