"""LinEAS: affine maps of all layers, learned together, so that source states are distributed as target states are.

Differs: a neuron is measured by its own deviation s among source texts, in the cost and in the penalties, so that one
rate and one penalty serve every model; with s = 1 and source states around 0 the penalties are the paper's. The cost is
a mean over sites. The paper's rate, steps and penalties, and where it puts its maps, could not be confirmed; ours are
found on tiny models.

    T(h) = h + a (h - mean) + s b                         a = b = 0 at the start;  scale 1 + a, shift s b - a mean
    C    = mean over sites of sum_j W(u_j, v_j) / s_j^2   u: source states with all maps in place, v: target states
    a, b <- prox(a - rate g_a),  prox(b - rate g_b)       g = (dC/da, dC/db) / max(1, root mean square of both)
    prox(x) = y max(0, 1 - rate group / |y|_2),                y_j = sign(x_j) max(0, |x_j| - rate l1)

A map's gradient comes from its own layer and from all later ones. W is the squared 2-Wasserstein distance of one neuron
(`model/transport.py`). l1 chooses neurons and group chooses layers: what they choose not is left exactly as it is.
`fit` is the same with each site by itself, as if no layer reached another. N source and M target texts, D hidden size.
Source: Rodriguez et al. 2025, arXiv:2503.10679, algorithm 1. A text's state is the mean over its tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import NonNegative, Positive, PositiveInt, checked, method
from steelyard.model.affine import SCALE, SHIFT, Affine, AffineSteering, TargetStates
from steelyard.model.intervention import Pass, States
from steelyard.model.transport import wasserstein

LEAST = 1e-3
"""The smallest deviation, as a share of the mean deviation of a site: a neuron that never moves has no unit."""


@method(
    "lineas",
    paper="arXiv:2503.10679",
    claim="maps of all layers, learned together from a few unpaired texts, steer better than layers fitted one by one",
)
@checked()
@dataclass(frozen=True)
class LinEAS(AffineSteering):
    """How the maps are learned."""

    steps: PositiveInt = 200
    """Steps of proximal gradient descent, each on all texts."""
    learning_rate: Positive = 0.05
    """Of the first step; it falls to 0 in a straight line."""
    l1: NonNegative = 0.0
    """Penalty on each neuron's map: above 0, few neurons are changed."""
    group: NonNegative = 0.0
    """Penalty on each layer's map: above 0, few layers are changed."""

    def start(self, source: States, target: TargetStates) -> "Learning":
        """Maps that change nothing yet."""
        return Learning(self, source, target)

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return self.learning_rate * (1 - step / self.steps)

    def optimizer(self, maps: nn.Module) -> torch.optim.Optimizer:
        """What makes the steps."""
        return ProximalDescent(maps.parameters(), self.learning_rate, self.l1, self.group)

    def fit(self, source: States, target: TargetStates) -> Affine:
        """The maps, each site by itself."""
        maps = self.start(source, target)
        descent = self.optimizer(maps)
        for step in range(self.steps):
            descent.param_groups[0]["lr"] = self.rate(step)
            descent.zero_grad()
            maps.cost({site: maps.mapped(site, states_ND) for site, states_ND in source.items()}).backward()
            descent.step()
        return maps.fitted()


class Learning(nn.Module):
    """The maps while they are learned: an intervention, too.

    Args:
        method: its settings.
        source: site -> states of source texts without any map.
        target: likewise of target texts.
    """

    def __init__(self, method: LinEAS, source: States, target: TargetStates) -> None:
        super().__init__()
        self.method = method
        self.target = target
        self.mean = {site: states_ND.mean(0) for site, states_ND in source.items()}
        spread = {site: states_ND.std(0, correction=0) for site, states_ND in source.items()}
        self.deviation = {site: s_D.clamp(min=float(LEAST * s_D.mean()) or 1.0) for site, s_D in spread.items()}
        sizes = {site: states_ND.shape[1] for site, states_ND in source.items()}
        self.a, self.b = (nn.ParameterList(torch.zeros(size) for size in sizes.values()) for _ in range(2))
        self._place = {site: i for i, site in enumerate(source)}

    def sites(self, num_layers: int) -> Sequence[str]:
        """All of them."""
        return tuple(self._place)

    def mapped(self, site: str, hidden: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
        """T of a site, at full strength."""
        mean_D, s_D, a_D, b_D = (x.to(hidden) for x in self._numbers(site))
        return hidden + a_D * (hidden - mean_D) + s_D * b_D

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The mapped hidden states."""
        return self.mapped(site, hidden_NTD)

    def cost(self, moved: States) -> Tensor:
        """C, where source texts have these states."""
        each = [(wasserstein(moved[s], self.target[s]) / self.deviation[s].square()).sum() for s in self._place]
        return torch.stack(each).mean()

    def fitted(self) -> Affine:
        """The maps as they are now."""
        tensors: dict[str, Tensor] = {}
        for site in self._place:
            mean_D, s_D, a_D, b_D = (x.detach() for x in self._numbers(site))
            tensors |= {f"{SCALE}{site}": 1 + a_D, f"{SHIFT}{site}": s_D * b_D - a_D * mean_D}
        return self.method.restore(tensors)

    @property
    def changed(self) -> float:
        """Share of all neurons that are changed."""
        moved = [(a_D != 0) | (b_D != 0) for a_D, b_D in zip(self.a, self.b, strict=True)]
        return float(torch.cat(moved).float().mean())

    def _numbers(self, site: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        i = self._place[site]
        return self.mean[site], self.deviation[site], self.a[i], self.b[i]


class ProximalDescent(torch.optim.SGD):
    """Gradient descent, then the proximal step of both penalties on every parameter."""

    def __init__(self, params: object, lr: float, l1: float, group: float) -> None:
        super().__init__(params, lr=lr)  # pyright: ignore[reportArgumentType]
        self._l1, self._group = l1, group

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step."""
        every = [x_D.grad for group in self.param_groups for x_D in group["params"]]
        size = torch.cat(every).square().mean().sqrt()
        for gradient_D in every:
            gradient_D /= size.clamp(min=1.0)
        super().step()
        for group in self.param_groups:
            for x_D in group["params"]:
                x_D.copy_(shrunk(x_D, group["lr"] * self._l1, group["lr"] * self._group))


def shrunk(x_D: Float[Tensor, "D"], l1: float, group: float) -> Float[Tensor, "D"]:
    """The proximal map of l1 |x|_1 + group |x|_2: soft thresholds, then the whole nearer to 0."""
    y_D = x_D.sign() * (x_D.abs() - l1).clamp(min=0.0)
    return y_D * (1 - group / y_D.norm().clamp(min=1e-30)).clamp(min=0.0)
