"""CGPO, constrained generative policy optimisation: a mixture of tasks, each with its own objective and weight.

Differs: the source gives each task its own optimiser; here one step follows the sum. Weights are relative, and each
prompt counts by its domain's, so that a batch may be cut between prompts.

    L = sum_d w_d n_d L_d / sum_d w_d n_d

P prompts, G samples per prompt, T steps. L_d is the loss of domain d's objective (CRPG, CODPO or CRRAFT) on the prompts
of that domain, and n_d counts those that teach. Rewards and verdicts come with the samples, so judges may differ
between domains as well (`Constrained`). With one domain, L is its objective's loss.
Before it the source trains with DPO as a warm-up; that is a run of its own.
Source: Xu et al. 2024, arXiv:2409.20370.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
import tyro
from msgspec import Meta

from steelyard.core import Batch, Loss, Needs, NonNegative, method, needs_of, require
from steelyard.objective.codpo import CODPO
from steelyard.objective.crpg import CRPG
from steelyard.objective.crraft import CRRAFT

Rule = Annotated[CRPG | CODPO | CRRAFT, tyro.conf.Suppress]
"""A domain's objective: which one is for the recipe to say, so it is no flag."""
Weights = Annotated[
    tuple[NonNegative, ...], Meta(min_length=5, max_length=5, description="5 numbers of 0 or more, one for each domain")
]


@method(
    "cgpo",
    paper="arXiv:2409.20370",
    claim="With judges and an objective for each task, tasks improve together and no reward is hacked.",
)
@dataclass(frozen=True)
class CGPO:
    """A mixture over domains, each with its own constrained objective and weight."""

    first: Rule = field(default_factory=CRPG)
    """The objective of domain 0."""
    second: Rule = field(default_factory=CRPG)
    """The objective of domain 1."""
    third: Rule = field(default_factory=CRPG)
    """The objective of domain 2."""
    fourth: Rule = field(default_factory=CRPG)
    """The objective of domain 3."""
    fifth: Rule = field(default_factory=CRPG)
    """The objective of domain 4; the source mixes five tasks."""
    weights: Weights = (1.0, 1.0, 1.0, 1.0, 1.0)
    """Relative weight of each of the five domains; 0 leaves one out."""

    @property
    def needs(self) -> Needs:
        """Rewards, reference and verdicts; samples of the policy itself where a domain's objective needs them."""
        return Needs(
            fields=("reward_PG", "logp_ref_PGT"),
            labels=("passes", "demonstration", "domain"),
            on_policy=any(needs_of(rule).on_policy for rule in self._rules),
            least_group=2,
        )

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return self.first, self.second, self.third, self.fourth, self.fifth

    def __call__(self, batch: Batch) -> Loss:
        """The loss; a prompt without the label `domain` is of domain 0. Metrics are means by weight.

        Raises:
            SteelyardError: there is a domain that is none of 0 to 4.
        """
        domain_P = batch.label("domain")
        known = set(domain_P.tolist()) <= set(range(len(self._rules)))
        require(known, f"there are {domain_P.unique().tolist()}", where="domains", hint="number them from 0 to 4")
        losses = [rule(batch.prompts(domain_P == d)) for d, rule in enumerate(self._rules)]
        return combined([Loss(x.value, w * x.weight, x.metrics) for x, w in zip(losses, self.weights, strict=True)])


def combined(losses: Sequence[Loss]) -> Loss:
    """Losses as micro-batches combine: value and metrics are means by weight."""
    weight = sum(loss.weight for loss in losses)
    shares = [loss.weight / (weight or 1.0) for loss in losses]
    value = torch.stack([share * loss.value for share, loss in zip(shares, losses, strict=True)]).sum()
    names = dict.fromkeys(name for loss in losses for name in loss.metrics)
    pairs = list(zip(shares, losses, strict=True))
    return Loss(value, weight, {name: sum(s * x.metrics.get(name, 0.0) for s, x in pairs) for name in names})
