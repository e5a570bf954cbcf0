"""Must hallucinate: how often a calibrated model must state what is false, from its training statements alone.

Differs: of the bound we give the two terms that can be measured. The others shrink with the number of falsehoods for
each fact, e^m, and of statements, n; their constants are not confirmed, and neither are the paper's bins, here of equal
width in log g. The follow-up, arXiv:2502.08666, has a divergence of bins where the paper has this distance.

    MF   = statements that occur once in training / n                  the Good-Turing estimate of what is missing
    Mis  = 1/2 sum_B |p(B) - g(B)|,    B = {y: k <= log g(y) / width < k + 1}
    g(H) >= MF - Mis - O(e^-m / delta) - O(sqrt(log(1 / delta) / n))   H: false, and not in training

p is the distribution of statements, known by those held out; g is the model's, known by samples, of which `novel`, the
share that is not in training, bounds g(H) from above. What is drawn few times makes Mis too large, so the prediction
too low, not too high. It holds for facts that follow from nothing else; what can be inferred need not be hallucinated.
Source: Kalai and Vempala 2024, arXiv:2311.14648.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import Positive, PositiveInt, Request, Sampling, Seed, Trajectory, Weights, method, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.table import Measure, Table
from steelyard.learner import end_of, given
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.copied import copied
from steelyard.policy.likelihood import total_logp
from steelyard.rollout import engine_for
from steelyard.task.files import read_rows

TRAIN, HELD_OUT = "train", "held-out"
WHERE = "must-hallucinate"
MEASURES = (
    Measure("statements", "number", "Training statements, n, each as often as it occurs."),
    Measure("held_out", "number", "Statements that the model was not trained on, by which Mis is measured."),
    Measure("monofacts", "share", "Statements that occur once: MF, the chance that the next one was never seen."),
    Measure("miscalibration", "share", "Mis: how far bins of equal probability are from what the model says of them."),
    Measure("predicted", "share", "MF - Mis, or 0: so much of what the model states must be false."),
    Measure("novel", "share", "Samples that are no training statement: at most so much is hallucinated."),
    Measure("hallucinated", "share", "Novel samples that are not true. Empty without --truth."),
    Measure("cut_off", "share", "Samples that did not end; they count as neither novel nor false."),
)


@method(
    WHERE,
    paper="arXiv:2311.14648",
    claim="A calibrated model hallucinates at least as often as facts occur once in training, less its miscalibration.",
)
@dataclass(frozen=True)
class MustHallucinate(Auditor):
    """Settings of the prediction."""

    samples: Annotated[int, Meta(ge=2)] = 512
    """Statements that the model is asked to make."""
    prompt: str = ""
    """Text before every statement; empty begins as a training document does."""
    truth: str = ""
    """JSONL or Parquet file of all that is true, in the same column; empty where nobody knows."""
    width: Positive = 1.0
    """Width of a bin of equal probability (nats)."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a sample; fewer where the model's context ends before."""
    text: str = "text"
    """Column with a statement."""
    part: str = "part"
    """Column that says train or held-out."""
    seed: Seed = 0
    """Of the samples."""

    def columns(self) -> tuple[Column, ...]:
        """The statement, and its part."""
        return Column(self.text, setting="--text"), Column(self.part, "label", "--part", (TRAIN, HELD_OUT))

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """One row.

        Raises:
            SteelyardError: one of the parts is empty, a row has no statement or another part, or one does not fit.
        """
        parts: dict[str, list[str]] = {TRAIN: [], HELD_OUT: []}
        for place, row in rows:
            check_row(row, self.columns(), place)
            part = str(row[self.part])
            require(part in parts, f"column {self.part!r} is {part!r}", where=place, hint="write train or held-out")
            parts[part].append(str(row[self.text]))
        for part, texts in parts.items():
            hint = "give statements of both parts"
            require(len(texts) > 0, f"no statement is {part}", where=WHERE, hint=hint)
        return Table(MEASURES, (("all", self._measured(policy, sorted(parts[TRAIN]), sorted(parts[HELD_OUT]))),))

    def _measured(
        self, policy: Policy, train: Sequence[str], held_out: Sequence[str]
    ) -> tuple[float | int | None, ...]:
        start = self.beginning(policy)
        known = [statement(policy, start, text) for text in held_out]
        longest = max(len(one.tokens_T) for one in (*known, *(statement(policy, start, text) for text in train)))
        what = f"a statement has {longest} tokens, and the context {policy.context_length}"
        require(longest <= policy.context_length, what, where=WHERE, hint="take a model with a longer context")
        drawn = self._drawn(policy, start)
        ended = [one for one in drawn if one.finish == "stop"]
        said = [said_by(policy, one) for one in ended]
        seen = {_plain(policy, text) for text in train}
        novel = [text for text in said if text not in seen]
        logp_K = np.array([float(one.logp_behaviour_T[one.action_T].sum(dtype=np.float64)) for one in drawn])
        mono = monofacts([_plain(policy, text) for text in train])
        mis = miscalibration(total_logp(policy, known), logp_K, self.width)
        false = sum(text not in self._true(policy) for text in novel) / len(drawn) if self.truth else None
        shares = (mono, mis, max(0.0, mono - mis), len(novel) / len(drawn), false, 1 - len(ended) / len(drawn))
        return len(train), len(held_out), *shares

    def beginning(self, policy: Policy) -> list[int]:
        """The tokens before a statement."""
        return policy.encode(self.prompt) or [end_of(policy)]

    def _drawn(self, policy: Policy, start: Sequence[int]) -> list[Trajectory]:
        asked = copied(policy)
        left = policy.context_length - len(start)
        require(left > 0, "fills the model's context", where="--prompt", hint="shorten it")
        engine = engine_for(asked, self.seed)
        engine.load(Weights.of(asked.weights(), 0))
        requests = [Request(WHERE, tuple(start), sample) for sample in range(self.samples)]
        return list(engine.generate(requests, Sampling(1.0, min(self.max_completion_length, left))))

    def _true(self, policy: Policy) -> set[str]:
        column = Column(self.text, setting="--text")
        rows = read_rows(self.truth)
        return {_plain(policy, text_of(row, column, f"{self.truth}, {place}")) for place, row in rows}


def statement(policy: Policy, start: Sequence[int], text: str) -> Trajectory:
    """A statement and its end, as the model would make it."""
    after = [*policy.tokenizer.encode(text, add_special_tokens=False), end_of(policy)]
    return given(WHERE, start, after, reward=1.0)


def said_by(policy: Policy, drawn: Trajectory) -> str:
    """The text of a sample that ended."""
    return policy.decode(drawn.tokens_T[drawn.action_T].tolist()[:-1]).strip()


def _plain(policy: Policy, text: str) -> str:
    """A text as the model would write it, so that it can be compared with samples."""
    return policy.decode(policy.tokenizer.encode(text, add_special_tokens=False)).strip()


def monofacts(statements: Sequence[str]) -> float:
    """MF: the share of statements that occur once.

    >>> monofacts(["a", "a", "b", "c"])
    0.5
    """
    counts = Counter(statements)
    return sum(count == 1 for count in counts.values()) / len(statements)


def miscalibration(true_N: Float64[np.ndarray, "N"], model_K: Float64[np.ndarray, "K"], width: float) -> float:
    """Mis, by log g of what was drawn from p and of what was drawn from g.

    >>> miscalibration(np.array([-0.5, -1.5]), np.array([-0.5, -0.6]), 1.0)
    0.5
    """
    bins = [Counter(np.floor(logp / width).astype(int).tolist()) for logp in (true_N, model_K)]
    apart = (abs(bins[0][k] / len(true_N) - bins[1][k] / len(model_K)) for k in sorted(set(bins[0]) | set(bins[1])))
    return sum(apart) / 2
