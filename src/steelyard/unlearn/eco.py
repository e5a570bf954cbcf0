"""ECO: prompts that a gate takes for what is to be forgotten are corrupted in the space of embeddings.

Differs: the gate is logistic regression on token n-grams (`model/ngram_gate.py`), where the paper fine-tunes an
encoder; no tagger marks the tokens that name something, so all tokens of a prompt but the last are corrupted, as the
paper's code does where it tags none; the noise of a place is drawn once. The surrogate f is ours: the paper's is the
distance of a metric to what a retrained model scores, whose exact form could not be confirmed.

    e_t <- e_t + sigma noise_t     in the first `dims` numbers, noise ~ N(0, s^2), where p(forget | x) > threshold
    f(sigma) = |m(sigma) - expected|,   m = mean over rows of log pi(right|x) - mean over others of log pi(other|x)
    g = (f(sigma + eps) - f(sigma - eps)) / (2 eps),   sigma <- max(sigma - rate g, sigma / 2),   eps = sigma / 2

Log-probabilities are means over the tokens of an answer (nats); the others are a row's wrong answers, or where it has
none, those of other rows. A model that never learned the answers finds its own no likelier than others: expected is 0.
The search ends at a sigma with f of at most `enough`, and the best sigma that it met is taken. s is the deviation of
the numbers of the embedding table, so that sigma has no unit. The weights are not changed: who can take the gate away
has the model back.
Source: Liu et al. 2024, arXiv:2406.07933, and its code (project page: gate and corruption; code: two-sided descent).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import (
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Share,
    SteelyardError,
    checked,
    derive,
    first_line,
    method,
    require,
)
from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.model.corruption import Corruption
from steelyard.model.gated import Gated
from steelyard.model.intervention import Pass
from steelyard.model.ngram_gate import NgramGate, fit_gate
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.audit import Question, answers_logp
from steelyard.unlearn.forgetting import Forgetting

PLACES = 1024
"""Places of a prompt with a noise of their own."""
OTHERS = 3
"""Answers of other rows that stand for wrong ones."""
STATE = "eco.json"


@method(
    "eco",
    paper="arXiv:2406.07933",
    claim="prompts to be forgotten are corrupted at inference: next to nothing else changes, and no weight does",
)
@checked()
@dataclass(frozen=True)
class ECO(Forgetting):
    """The gate, and the search for the strength of the corruption."""

    longest: PositiveInt = 4
    """Tokens of the longest n-gram that the gate reads."""
    penalty: Positive = 1e-5
    """Of the gate's weights."""
    threshold: Share = 0.9
    """The gate opens to prompts that it takes for what is to be forgotten with a larger probability."""
    dims: PositiveInt = 1
    """Numbers of each embedding that get noise, the first ones."""
    start: Positive = 30.0
    """Strength at which the search begins, in deviations of the embedding table."""
    steps: NonNegativeInt = 10
    """Steps of the search; 0 takes the strength as it is."""
    rate: Positive = 100.0
    """Of the descent."""
    enough: NonNegative = 0.05
    """Distance from the expected margin at which the search ends (nats a token)."""
    expected: float = 0.0
    """Margin of right answers over others of a model that never learned them (nats a token)."""

    @property
    def num_steps(self) -> int:
        """Those of the search, and one for the gate."""
        return 1 + self.steps

    def begin(self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int) -> "Search":
        """The search before the gate is fitted."""
        hint = "name --retain FILE: the gate tells from it what is not to be forgotten"
        require(len(retain) > 0, "there is nothing to retain", where="eco", hint=hint)
        return Search(policy, self, forget, retain, seed)

    def restore(self, tensors: Mapping[str, Tensor]) -> "Corrupted":
        """The gate and the corruption that had these tensors."""
        return Corrupted(self, dict(tensors))


@dataclass(frozen=True)
class Corrupted:
    """The fitted intervention."""

    method: ECO
    tensors: Mapping[str, Tensor]
    """The gate's, corruption/strength and corruption/noise."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The embeddings."""
        return self.gated.sites(num_layers)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """Embeddings, where the gate is open with noise."""
        return self.gated.change(site, hidden_NTD, reads)

    @cached_property
    def gated(self) -> Gated:
        """The two parts."""
        gate = NgramGate.restored(self.tensors, self.method.longest, self.method.threshold)
        return Gated(gate, Corruption(float(self.tensors["corruption/strength"]), self.tensors["corruption/noise"]))


class Search:
    """The fit: first the gate, then the strength, step by step."""

    def __init__(
        self, policy: Policy, method: ECO, forget: Sequence[Answered], retain: Sequence[Answered], seed: int
    ) -> None:
        self.policy = policy
        self.steps = 0
        self._method = method
        tokens = [[policy.encode(row.prompt.text) for row in rows] for rows in (forget, retain)]
        self._gate = fit_gate(*tokens, longest=method.longest, penalty=method.penalty, threshold=method.threshold)
        size = policy.model.get_input_embeddings().weight.shape[1]
        require(method.dims <= size, f"is {method.dims}", where="--dims", hint=f"embeddings have {size} numbers")
        draws = torch.Generator().manual_seed(derive(seed, "eco") % 2**63)
        unit = float(policy.model.get_input_embeddings().weight.detach().float().std())
        self._noise_PD = unit * torch.randn(PLACES, method.dims, generator=draws)
        self._asked = _questions(policy, forget)
        self._strength = self._best = method.start
        self._distance = float("inf")

    @property
    def num_steps(self) -> int:
        """One for the gate, and those of the search."""
        return self._method.num_steps

    @property
    def gate(self) -> NgramGate:
        """The gate."""
        return self._gate

    def step(self) -> JsonObject:
        """Put the gate into the model; later on, one step of the search."""
        if self.steps == 0:
            self._distance = self._at(self._strength) if self._method.steps else self._distance
        elif self._distance > self._method.enough:
            self._descend()
        self.steps += 1
        self._put()
        return {"eco/strength": self._best, "eco/distance": self._distance} if self._method.steps else {}

    def _descend(self) -> None:
        strength = descended(self._at, self._strength, self._method.rate, self._note)
        self._note(strength, self._at(strength))
        self._strength = strength

    def _note(self, strength: float, distance: float) -> None:
        if distance < self._distance:
            self._best, self._distance = strength, distance

    def _at(self, strength: float) -> float:
        """f, with every prompt to be forgotten corrupted, whatever the gate says of it."""
        present = self.policy.intervention
        self.policy.intervene(Corruption(strength, self._noise_PD))
        try:
            logp_NA = answers_logp(self.policy, self._asked)
        finally:
            self.policy.intervene(present)
        return abs(float((logp_NA[:, 0] - logp_NA[:, 1:].mean(1)).mean()) - self._method.expected)

    def _put(self) -> None:
        corruption = {"corruption/strength": torch.tensor(self._best), "corruption/noise": self._noise_PD}
        self.policy.intervene(self._method.restore({**self._gate.tensors, **corruption}))

    def save(self, directory: Path) -> None:
        """Write where the search is; the gate is fitted again."""
        state = {"steps": self.steps, "strength": self._strength, "best": self._best, "distance": self._distance}
        (directory / STATE).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from there.

        Raises:
            SteelyardError: it is missing or damaged.
        """
        try:
            state = json.loads((directory / STATE).read_text(encoding="utf-8"))
            self.steps = int(state["steps"])
            self._strength, self._best, self._distance = (float(state[x]) for x in ("strength", "best", "distance"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = f"holds no search of ECO ({first_line(error)})"
            raise SteelyardError(what, where=str(directory), hint="go on from another checkpoint") from error
        if self.steps:
            self._put()


def descended(f: Callable[[float], float], sigma: float, rate: float, seen: Callable[[float, float], None]) -> float:
    """Where one step of two-sided descent leads from `sigma`; `seen` is told what f is at the two sides."""
    eps = sigma / 2
    sides = [(sigma + eps, f(sigma + eps)), (sigma - eps, f(sigma - eps))]
    for side in sides:
        seen(*side)
    gradient = (sides[0][1] - sides[1][1]) / (2 * eps)
    return max(sigma - rate * gradient, sigma / 2)


def _questions(policy: Policy, rows: Sequence[Answered]) -> list[Question]:
    """Each row with its wrong answers, or answers of the rows after it that are others than its own.

    Raises:
        SteelyardError: there is no other answer.
    """
    asked = []
    for i, row in enumerate(rows):
        later = [rows[(i + k) % len(rows)].answer for k in range(1, len(rows))]
        others = row.wrong or tuple(dict.fromkeys(text for text in later if text != row.answer))[:OTHERS]
        hint = "give wrong answers, or rows with several answers, or --steps 0"
        require(bool(others), "no row has another answer to compare with", where="eco", hint=hint)
        right, *wrong = (demonstration(policy, row.prompt, text) for text in (row.answer, *others))
        asked.append(Question(right, tuple(wrong)))
    fewest = min(len(one.wrong) for one in asked)
    return [Question(one.right, one.wrong[:fewest]) for one in asked]
