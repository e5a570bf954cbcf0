"""Experts don't cheat: what a model does not know, by how much one answer helps it to predict another.

Differs: pairs are taught by spectrum tuning of two draws a sequence, so the model and its samples are the user's own.
The card's source gave theorems in summary; the estimators below follow from its definition in a line each, and names,
clipping and the symmetry of training are ours.

    trained on (x, y1, y2), two answers drawn independently from p(y|x), by the likelihood of both
    V(y) = p^(y|x) (p^(y|y,x) - p^(y|x)),    clipped at 0        variance of p(y|x) among x that look alike to the model
    C(y) = p^(y|x) / p^(y|y,x),              clipped at 1        confidence
    P(|p(y|X) - p^(y|x)| >= sqrt(V / beta)) <= beta,             P(p(y|X) = 0) <= 1 - C(y)

Who knows p(y|x) learns nothing of it from an answer, so p^(y|y,x) = p^(y|x) and C is 1, however many answers are right:
that is what entropy cannot tell from ignorance. Answers with C < 1 - beta are rejected. Where the pairs' probabilities
are calibrated, at most a share beta of what is accepted is impossible.
Source: Johnson et al. 2024, arXiv:2402.08733.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from jaxtyping import Float64

from steelyard.core import PositiveInt, Request, Sampling, Seed, ShareInside, Weights, method, require
from steelyard.core.columns import Column, check_row
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.copied import copied
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.spectrum import Spectrum
from steelyard.rollout import engine_for
from steelyard.task.draws import Example

WHERE = "experts-dont-cheat"
MEASURES = (
    Measure("prompts", "number", "Prompts that were asked."),
    Measure("samples", "number", "Answers of the model that ended."),
    Measure("confidence", "share", "C of them, the mean; 1 where a second answer would tell nothing."),
    Measure("deviation", "share", "sqrt(V), the mean: how far the truth is from what the model says of an answer."),
    Measure("impossible", "share", "1 - C, the mean: at most so much of what the model says cannot be."),
    Measure("rejected", "share", "Answers with C below 1 - beta."),
    Measure("given", "share", "Answers that are among the prompt's own in the file."),
    Measure("given_accepted", "share", "The same of those that are not rejected."),
    Measure("cheats", "nats", "How much the answers of the file gain from an earlier one, the mean over pairs."),
)


class Estimates(NamedTuple):
    """What pairs say of answers."""

    variance_N: Float64[np.ndarray, "N"]
    confidence_N: Float64[np.ndarray, "N"]


@method(
    WHERE,
    paper="arXiv:2402.08733",
    claim="A model trained on pairs of answers knows what it does not know: a bound on how much it says is impossible.",
)
@dataclass(frozen=True)
class ExpertsDontCheat(Auditor):
    """Settings of the audit."""

    beta: ShareInside = 0.1
    """Answers with a confidence below 1 - beta are rejected."""
    samples: PositiveInt = 8
    """Answers of the model to each prompt."""
    max_completion_length: PositiveInt = 64
    """Most tokens of an answer; fewer where the model's context has no room for two."""
    seed: Seed = 0
    """Of the samples."""
    prompt: str = "prompt"
    """Column with the prompt, which is the description of spectrum tuning."""
    answers: str = "answers"
    """Column with a list of answers to it, each drawn independently."""
    showing: Annotated[Spectrum, tyro.conf.OmitArgPrefixes] = field(default_factory=Spectrum)
    """How the model was taught pairs."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt and its answers."""
        return Column(self.prompt, setting="--prompt"), Column(self.answers, "texts", "--answers")

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """One row for all prompts; of rows with one prompt the answers are put together.

        Raises:
            SteelyardError: there are no rows, one lacks something, or nothing could be sampled.
        """
        require(len(rows) > 0, "there are no rows", where=WHERE, hint="give at least one prompt")
        lists: dict[str, list[list[str]]] = {}
        for place, row in rows:
            check_row(row, self.columns(), place)
            lists.setdefault(str(row[self.prompt]), []).append([str(answer) for answer in row[self.answers]])
        asked = {prompt: sorted(lists[prompt]) for prompt in sorted(lists)}
        said = [(prompt, answer) for prompt in asked for answer in self._said(policy, prompt)]
        hint = "raise --max-completion-length, or train the model on pairs of answers"
        require(bool(said), "no sample ended", where=WHERE, hint=hint)
        found = self.estimates(policy, said)
        given_N = np.array([any(answer in some for some in asked[prompt]) for prompt, answer in said])
        accepted_N = found.confidence_N >= 1 - self.beta
        numbers = (
            float(found.confidence_N.mean()),
            float(np.sqrt(found.variance_N).mean()),
            float(1 - found.confidence_N.mean()),
            float(1 - accepted_N.mean()),
            float(given_N.mean()),
            float(given_N[accepted_N].mean()) if accepted_N.any() else None,
            self._cheats(policy, asked),
        )
        return Table(MEASURES, (("all", (len(asked), len(said), *numbers)),))

    def _cheats(self, policy: Policy, asked: Mapping[str, Sequence[Sequence[str]]]) -> float | None:
        """How much likelier an answer of a row is after the one before it; None where no row has two."""
        pairs = [(prompt, *two) for prompt, rows in asked.items() for row in rows for two in itertools.pairwise(row)]
        if not pairs:
            return None
        alone = self.first(policy, [(prompt, other) for prompt, _, other in pairs])
        return float((self.second(policy, pairs) - alone).mean())

    def estimates(self, policy: Policy, said: Sequence[tuple[str, str]]) -> Estimates:
        """Of answers to prompts."""
        return of_pairs(
            np.exp(self.first(policy, said)), np.exp(self.second(policy, [(prompt, y, y) for prompt, y in said]))
        )

    def first(self, policy: Policy, said: Sequence[tuple[str, str]]) -> Float64[np.ndarray, "N"]:
        """log p^(y|x)."""
        shown = [self._pair.sequence(policy, prompt, [Example(y)]) for prompt, y in said]
        return total_logp(policy, [one.learning(one.outputs[:1]) for one in shown])

    def second(self, policy: Policy, said: Sequence[tuple[str, str, str]]) -> Float64[np.ndarray, "N"]:
        """log p^(y2|y1,x), of triples x, y1, y2."""
        shown = [self._pair.sequence(policy, prompt, [Example(y1), Example(y2)]) for prompt, y1, y2 in said]
        fits = all(len(one.outputs) == 2 for one in shown)
        hint = "shorten the answers, or take a model with a longer context"
        require(fits, "two answers to a prompt do not fit the model's context", where=WHERE, hint=hint)
        return total_logp(policy, [one.learning(one.outputs[1:]) for one in shown])

    @property
    def _pair(self) -> Spectrum:
        return replace(self.showing, max_draws=2, learned="outputs")

    def _said(self, policy: Policy, prompt: str) -> list[str]:
        """What the model answers, where it ends."""
        tokens = tuple(policy.encode(self._pair.prompt(policy, prompt, [], "")))
        what = f"the prompt {prompt[:40]!r} leaves no room for two answers"
        hint = "shorten it, or take a model with a longer context"
        require(len(tokens) < policy.context_length, what, where=WHERE, hint=hint)
        empty = self._pair.sequence(policy, prompt, [Example(""), Example("")])
        left = (policy.context_length - len(empty.trajectory.tokens_T)) // 2 if len(empty.outputs) == 2 else 0
        require(left > 0, what, where=WHERE, hint=hint)
        own = copied(policy)
        engine = engine_for(own, self.seed)
        engine.load(Weights.of(own.weights(), 0))
        requests = [Request(prompt, tokens, sample) for sample in range(self.samples)]
        drawn = engine.generate(requests, Sampling(1.0, min(self.max_completion_length, left)))
        return [policy.decode(t.tokens_T[t.action_T].tolist()[:-1]) for t in drawn if t.finish == "stop"]


def of_pairs(first_N: Float64[np.ndarray, "N"], again_N: Float64[np.ndarray, "N"]) -> Estimates:
    """V and C from p^(y|x) and p^(y|y,x).

    >>> of_pairs(np.array([0.5, 0.25]), np.array([1.0, 0.25])).confidence_N.tolist()
    [0.5, 1.0]
    """
    variance_N = np.clip(first_N * (again_N - first_N), 0.0, None)
    ratio_N = np.divide(first_N, again_N, out=np.ones_like(first_N), where=again_N > 0)
    return Estimates(variance_N, np.minimum(ratio_N, 1.0))
