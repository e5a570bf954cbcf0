"""ACU: a ridge head on frozen states that learns and forgets rows exactly, in closed form and without what is kept.

Differs: derived here by Woodbury's identity and not copied, since of the paper we have abstract and summaries. Not
confirmed: its notation, its gamma, and that it widens states by random features, as the analytic methods before it do.

    W = (X'X + gamma I)^-1 X'Y,     R = (X'X + gamma I)^-1          R and W are all that is stored
    learn   R <- R - R A'(I + A R A')^-1 A R,     W <- W + R A'(B - A W)      with the new R
    forget  R <- R + R A'(I - A R A')^-1 A R,     W <- W - R A'(B - A W)      with the new R

A [N, F] are features of N rows and B [N, C] their classes, one-hot. What is forgotten must have been learned, with the
same features: then W is that of a head that never saw the rows, up to rounding. gamma > 0 keeps I - A R A' definite.
Features are x = [relu(h P), 1] of states h of length 1, so that gamma means the same for any model and rounding stays
small; P [D, W] is drawn from N(0, 2 / W) by a seed. Width 0 takes [h, 1].
Source: Tang et al. 2025, arXiv:2505.12239.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from steelyard.core import NonNegativeInt, Positive, Seed, checked, derive, method, require
from steelyard.guard.base import Ruling


@dataclass
class AnalyticHead:
    """R and W of the rows that are learned by now, in double precision."""

    spread_DW: Float64[Tensor, "D W"]
    """P; without columns where states are taken as they are."""
    inverse_FF: Float64[Tensor, "F F"]
    """R."""
    weight_FC: Float64[Tensor, "F C"]
    """W."""
    learned: set[int] = field(default_factory=set)
    """Hashes of the rows that are learned, where whoever teaches the head notes them."""

    def features(self, state_ND: Float[Tensor, "N D"]) -> Float64[Tensor, "N F"]:
        """What the weights are applied to; the last is 1."""
        wide = normalize(state_ND.double(), dim=1)
        wide = torch.relu(wide @ self.spread_DW) if self.spread_DW.shape[1] else wide
        return torch.cat([wide, wide.new_ones(len(wide), 1)], 1)

    def scores(self, state_ND: Float[Tensor, "N D"]) -> Float64[Tensor, "N C"]:
        """How much each state is of each class: near 0 or 1, and not bounded."""
        return self.features(state_ND) @ self.weight_FC

    def learn(self, state_ND: Float[Tensor, "N D"], label_N: Int64[Tensor, "N"]) -> None:
        """Take rows in."""
        self._change(state_ND, label_N, 1.0)

    def forget(self, state_ND: Float[Tensor, "N D"], label_N: Int64[Tensor, "N"]) -> None:
        """Take rows out that were learned, with the same states and labels."""
        self._change(state_ND, label_N, -1.0)

    def _change(self, state_ND: Float[Tensor, "N D"], label_N: Int64[Tensor, "N"], sign: float) -> None:
        x_NF = self.features(state_ND)
        y_NC = one_hot(label_N, self.weight_FC.shape[1]).double()
        seen_FN = self.inverse_FF @ x_NF.T
        inner_NN = torch.eye(len(x_NF), dtype=torch.float64) + sign * (x_NF @ seen_FN)
        changed_FF = self.inverse_FF - sign * seen_FN @ torch.linalg.solve(inner_NN, seen_FN.T)
        self.inverse_FF = (changed_FF + changed_FF.T) / 2  # rounding would else let it drift from symmetric
        self.weight_FC = self.weight_FC + sign * self.inverse_FF @ x_NF.T @ (y_NC - x_NF @ self.weight_FC)

    def rule(self, state_ND: Float[Tensor, "N D"]) -> Ruling:
        """The score of class 1, cut to 0 and 1, as the probability of harm."""
        return Ruling(self.scores(state_ND)[:, 1].clamp(0.0, 1.0).float(), state_ND)

    @property
    def num_parameters(self) -> int:
        """Weights, and those of the fixed features."""
        return self.spread_DW.numel() + self.weight_FC.numel()

    def tensors(self) -> dict[str, Tensor]:
        """All that it is."""
        learned_N = torch.tensor(sorted(self.learned), dtype=torch.int64)
        own = {"spread_DW": self.spread_DW, "inverse_FF": self.inverse_FF, "weight_FC": self.weight_FC}
        return own | {"learned_N": learned_N}


@method(
    "acu",
    paper="arXiv:2505.12239",
    claim="Forgets requested rows exactly and in closed form: the weights are those of retraining, without kept data.",
)
@checked()
@dataclass(frozen=True)
class ACU:
    """Settings of an analytic head."""

    ridge: Positive = 0.1
    """gamma: what is added to the diagonal; larger shrinks the weights, smaller lets rounding grow."""
    width: NonNegativeInt = 256
    """Random features, W; 0 takes the states as they are."""
    features_seed: Seed = field(default=0)
    """Of the random features."""

    def begin(self, num_states: int, classes: int = 2) -> AnalyticHead:
        """A head that has learned nothing."""
        draws = torch.Generator().manual_seed(derive(self.features_seed, "acu") % 2**63)
        normal_DW = torch.randn(num_states, self.width, generator=draws, dtype=torch.float64)
        spread_DW = normal_DW * math.sqrt(2 / max(self.width, 1))
        size = (self.width or num_states) + 1
        inverse_FF = torch.eye(size, dtype=torch.float64) / self.ridge
        return AnalyticHead(spread_DW, inverse_FF, torch.zeros(size, classes, dtype=torch.float64))

    def retrained(
        self, state_ND: Float[Tensor, "N D"], label_N: Int64[Tensor, "N"], classes: int = 2
    ) -> Float64[Tensor, "F C"]:
        """W by solving the normal equations of these rows at once: what learning and forgetting must come to."""
        x_NF = self.begin(state_ND.shape[1], classes).features(state_ND)
        gram_FF = x_NF.T @ x_NF + self.ridge * torch.eye(x_NF.shape[1], dtype=torch.float64)
        return torch.linalg.solve(gram_FF, x_NF.T @ one_hot(label_N, classes).double())

    def restored(self, tensors: Mapping[str, Tensor]) -> AnalyticHead:
        """The head that had these tensors.

        Raises:
            KeyError: one is missing.
            SteelyardError: they do not fit each other.
        """
        spread_DW, inverse_FF, weight_FC = (tensors[name].clone() for name in ("spread_DW", "inverse_FF", "weight_FC"))
        # Cloned, since sums over memory that a file was mapped to round in another order.
        size = (spread_DW.shape[1] or len(spread_DW)) + 1
        fits = inverse_FF.shape == (size, size) and len(weight_FC) == size
        require(fits, "its tensors do not fit each other", where="acu", hint="restore what the run wrote")
        return AnalyticHead(spread_DW, inverse_FF, weight_FC, set(tensors["learned_N"].tolist()))
