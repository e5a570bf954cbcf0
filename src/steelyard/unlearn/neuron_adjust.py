"""Neuron Adjust: neurons that are louder in a skill to be forgotten are led past what they do elsewhere.

Differs: a coin is drawn once for each token of the vocabulary and each neuron, so that a text is read alike however it
is cut; statistics are over prompts and answers, where the released code reads answers. That code takes the means of the
forgotten skill for its deviations, and variances for deviations; here they are what the paper calls them.

    top = the `share` of all neurons with the largest mean_f - mean_r
    p   = N(x; mean_f, s_f) / (N(x; mean_f, s_f) + N(x; mean_r, s_r))
    x  <- mean_r - s_r (x - mean_f) / s_f      where p >= 1/2, for top neurons, with probability p

x is what a gate gives before its activation; f and r are the tokens of the rows to be forgotten and to be kept; N is
the normal density. The map takes x to where it stands in the kept distribution, and mirrors it about that one's mean.
N rows, T tokens, K neurons of a layer. The paper's `share` is 0.5 % for languages, 3 % for mathematics and code.
Source: Li et al. 2025, arXiv:2503.21730, and its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import ShareAboveZero, checked, derive, method, require
from steelyard.learner.intervention_work import AtOnce
from steelyard.model.intervention import Pass
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.forgetting import Forgetting
from steelyard.unlearn.neuron_states import demonstrated, states
from steelyard.unlearn.value_vectors import num_layers

LEAST = 1e-6
"""Least deviation: a neuron that never moves."""
_MULTIPLIER = 6364136223846793005
"""Of a linear congruential generator (Knuth); products wrap around at 64 bits."""
_ROUNDS = 3


@method(
    "neuron-adjust",
    paper="arXiv:2503.21730",
    claim="shifting the neurons that tell a skill apart loses it at inference, and less of others than pruning them",
)
@checked()
@dataclass(frozen=True)
class NeuronAdjust(Forgetting):
    """Which neurons are shifted."""

    share: ShareAboveZero = 0.03
    """Share of all neurons that are shifted."""

    @property
    def num_steps(self) -> int:
        """One: nothing is trained."""
        return 1

    def begin(self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int) -> AtOnce:
        """The fit before its only step."""
        hint = "name --retain FILE: neurons are led to what they do there"
        require(len(retain) > 0, "there is nothing to retain", where="neuron-adjust", hint=hint)
        return AtOnce(policy, lambda: self.fitted(policy, forget, retain, seed=seed))

    def restore(self, tensors: Mapping[str, Tensor]) -> "Adjusted":
        """The shift that had these tensors."""
        return Adjusted(self, dict(tensors))

    def fitted(
        self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int
    ) -> "Adjusted":
        """The neurons, and their distributions in both kinds of rows."""
        sites = [f"layers.{i}.mlp.gate" for i in range(num_layers(policy))]
        kinds = {}
        for kind, rows in (("forget", forget), ("retain", retain)):
            read = demonstrated(policy, rows)
            kinds[kind] = states(policy, read, sites, [range(len(t.tokens_T)) for t in read])
        louder = {site: kinds["forget"][site].mean(0) - kinds["retain"][site].mean(0) for site in sites}
        tensors: dict[str, Tensor] = {"coin": torch.tensor(derive(seed, "neuron-adjust") % 2**62)}
        for site, top_K in chosen(louder, self.share).items():
            tensors[f"{site}/neurons"] = top_K
            for kind, found in kinds.items():
                tensors[f"{site}/{kind}/mean"] = found[site].mean(0)[top_K]
                tensors[f"{site}/{kind}/deviation"] = found[site].std(0)[top_K].clamp(min=LEAST)
        return self.restore(tensors)


@dataclass(frozen=True)
class Adjusted:
    """The fitted intervention."""

    method: NeuronAdjust
    tensors: Mapping[str, Tensor]
    """coin, and of each site its neurons, and their means and deviations in both kinds of rows."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The gates that have such neurons."""
        return sorted({name.partition("/")[0] for name in self.tensors} - {"coin"})

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T M"], reads: Pass) -> Float[Tensor, "N T M"]:
        """The gates, with these neurons shifted where their coins say so."""
        top_K = self.tensors[f"{site}/neurons"].to(hidden_NTD.device)
        x_NTK = hidden_NTD[..., top_K].float()
        forget, retain = (
            Normal(*(self.tensors[f"{site}/{kind}/{name}"].to(x_NTK) for name in ("mean", "deviation")))
            for kind in ("forget", "retain")
        )
        chance_NTK = (forget.logp(x_NTK) - retain.logp(x_NTK)).sigmoid()
        layer = int(site.split(".")[1])
        coin_NTK = coins(reads.tokens_NT, top_K, int(self.tensors["coin"]) + layer)
        shifted_NTK = retain.mean_K - retain.deviation_K * (x_NTK - forget.mean_K) / forget.deviation_K
        shifts_NTK = (chance_NTK >= 0.5) & (coin_NTK < chance_NTK)
        changed_NTM = hidden_NTD.clone()
        changed_NTM[..., top_K] = shifted_NTK.where(shifts_NTK, x_NTK).to(hidden_NTD)
        return changed_NTM


@dataclass(frozen=True)
class Normal:
    """A normal distribution of each neuron."""

    mean_K: Float[Tensor, "K"]
    deviation_K: Float[Tensor, "K"]

    def logp(self, x_NTK: Float[Tensor, "*N K"]) -> Float[Tensor, "*N K"]:
        """The logarithm of its density, but for a constant that all share."""
        return -((x_NTK - self.mean_K) / self.deviation_K).square() / 2 - self.deviation_K.log()


def chosen(score: Mapping[str, Float[Tensor, "M"]], share: float) -> dict[str, Int[Tensor, "K"]]:
    """Site -> its neurons among the `share` of all with the highest scores; at least one, no site without any."""
    every = torch.cat([*score.values()])
    least = every.topk(max(1, round(share * len(every)))).values[-1]
    found = {site: (score_M >= least).nonzero().flatten() for site, score_M in score.items()}
    return {site: top_K for site, top_K in found.items() if len(top_K)}


def coins(tokens_NT: Int[Tensor, "N T"], neuron_K: Int[Tensor, "K"], seed: int) -> Float[Tensor, "N T K"]:
    """A number from 0 to 1 for each token of the vocabulary and each neuron, always the same."""
    mixed_NTK = (tokens_NT.long()[..., None] + 1) * _MULTIPLIER + neuron_K.long() * 0x9E3779B97F4A7C + seed
    for _ in range(_ROUNDS):
        mixed_NTK = (mixed_NTK ^ (mixed_NTK >> 29)) * _MULTIPLIER + 1
    return ((mixed_NTK >> 11) & (2**24 - 1)).float() / 2**24
