"""IGNITE where a reward model is followed beyond its data: designs of ten numbers, judged in pairs, none of them good.

    f(x) = 20 exp(-.2 |x| / sqrt D) + exp(mean of cos(2 pi x_i)) - 20 - e    Ackley's, turned over: f(0) = 0 is best
    P(x preferred to x') = sigma((f(x) - f(x')) / (noise sd))                sd is that of f over the designs

Designs are uniform within [-2, 2]^10, and the better half of them is left out. A network is fitted to pairs of the
others; the search then follows its score by ascent from the best designs, by steps of one length, so that all arms go
as far. Arms differ in the fit alone: `plain`; `ignite`, flat by a limit; and the control, whose penalty goes by a
random direction in place of the gradient, at a larger weight that stays. `gain` is by how much f rises, in sd;
`promised` the same of the score; `accuracy` how often held-out designs are in their true order; `sharpness` what the
mean score may change within the radius, and `ignite_weight` the penalty's weight at the end.
Source: none, this world is ours; the search is the paper's gradient ascent, its surrogate fitted to pairs.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.reward import IGNITE
from steelyard.reward.bradley_terry import pair_loss
from steelyard.reward.ignite import Flattening

PLACES = 10
"""D, the numbers of a design."""
FURTHEST = 2.0
"""Largest absolute value of a design's number."""
WIDTH = 64
BATCH = 64
"""Pairs in a step of the fit."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    designs: int = 1200
    """Designs of the worse half; one in six is held out."""
    pairs: int = 1000
    """Pairs that are judged."""
    noise: float = 0.3
    """Scale of the judges' noise, in sd."""
    fit_steps: int = 1000
    """Steps of Adam on the pairs."""
    starts: int = 64
    """Best designs, where the search begins."""
    steps: int = 200
    """Steps of the search."""
    length: float = 0.05
    """Length of a step."""


ARMS = {
    "plain": IGNITE(weight=0.0, rate=0.0),
    "ignite": IGNITE(weight=0.1, rate=1e-2),
    "ignite-off": IGNITE(weight=1.0, rate=0.0, along="random"),
}


def truth(x_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
    """f of each design."""
    size_N = x_ND.square().mean(-1).sqrt()
    ripple_N = torch.cos(2 * math.pi * x_ND).mean(-1)
    return 20 * torch.exp(-0.2 * size_N) + torch.exp(ripple_N) - 20 - math.e


class Network(nn.Module):
    """The reward model of a design."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "ignite", "network"))
            layers = nn.Linear(PLACES, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1)
            self.layers = nn.Sequential(*layers)

    def forward(self, x_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """The scores."""
        return self.layers(x_ND).squeeze(-1)


class Workshop:
    """The designs of a seed, and what judges said of pairs of them."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        drawn_ND = rng(seed, "ignite", "designs").uniform(-FURTHEST, FURTHEST, (2 * setting.designs, PLACES))
        every_ND = torch.from_numpy(drawn_ND).float()
        worse_ND = every_ND[truth(every_ND).argsort()[: setting.designs]]
        order_N = torch.from_numpy(rng(seed, "ignite", "held out").permutation(setting.designs))
        held = setting.designs // 6
        self.held_ND = worse_ND[order_N[:held]]
        self.given_ND = worse_ND[order_N[held:]]
        self.sd = float(truth(worse_ND).std())

    @cached_property
    def judged(self) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M D"]]:
        """Pairs of designs, the preferred ones first."""
        draws = rng(self.seed, "ignite", "judges")
        a_MD, b_MD = (self.given_ND[draws.integers(len(self.given_ND), size=self.setting.pairs)] for _ in range(2))
        chance_M = torch.sigmoid((truth(a_MD) - truth(b_MD)) / (self.setting.noise * self.sd))
        wins_M1 = (torch.from_numpy(draws.random(self.setting.pairs)) < chance_M)[:, None]
        return torch.where(wins_M1, a_MD, b_MD), torch.where(wins_M1, b_MD, a_MD)

    def fitted(self, network: Network, flat: IGNITE, rate: float) -> Flattening:
        """Fit the network to the pairs; returns its flatness."""
        flattening = flat.begin(network, self.seed)
        assert flattening is not None, "every arm has a radius"
        adam = torch.optim.Adam(network.parameters(), rate)
        draws = rng(self.seed, "ignite", "batches")
        for _ in range(self.setting.fit_steps):
            of_B = draws.integers(self.setting.pairs, size=BATCH)
            both_ND = torch.cat([side_MD[of_B] for side_MD in self.judged])
            score_N = network(both_ND)
            adam.zero_grad()
            pair_loss(score_N[:BATCH], score_N[BATCH:], 0.01).backward()
            flattening.add(lambda read_ND=both_ND: network(read_ND).mean())
            adam.step()
        return flattening

    def followed(self, network: Network) -> dict[str, float]:
        """Ascend the network's score; returns by how much score and truth rise."""
        start_ND = self.given_ND[truth(self.given_ND).argsort()[-self.setting.starts :]]
        x_ND = start_ND
        for _ in range(self.setting.steps):
            x_ND = x_ND.detach().requires_grad_()
            (slope_ND,) = torch.autograd.grad(network(x_ND).sum(), x_ND)
            x_ND = x_ND + self.setting.length * slope_ND / slope_ND.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        with torch.no_grad():
            gain = float((truth(x_ND) - truth(start_ND)).mean()) / self.sd
            return {"gain": gain, "promised": float((network(x_ND) - network(start_ND)).mean())}

    @torch.no_grad()
    def accuracy(self, network: Network) -> float:
        """How often two held-out designs are in their true order."""
        score_N, true_N = network(self.held_ND), truth(self.held_ND)
        better_NN = true_N[:, None] > true_N
        return float((score_N[:, None] > score_N)[better_NN].float().mean())


def measure(seed: int, setting: Setting, arms: Iterable[Arm[IGNITE]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, on the same pairs from the same network."""
    workshop = Workshop(setting, seed)
    for arm in arms:
        network = Network(seed)
        flattening = workshop.fitted(network, arm.settings, arm.rate)
        yield (
            arm.name,
            {
                **workshop.followed(network),
                "accuracy": workshop.accuracy(network),
                "sharpness": float(np.mean(flattening.sharpness[-setting.fit_steps // 10 :])),
                "ignite_weight": flattening.weight,
                "parameters": float(sum(p.numel() for p in network.parameters())),
            },
        )


PROOF = Proof(
    proves=("ignite",),
    ours="ignite",
    control="ignite-off",
    equal="designs, pairs, network, steps of the fit and their rate, starts, number and length of the search's steps",
    claims=(
        Claim("Followed as far, true value rises by 3 % more than by the plain fit", "gain", "plain", 0.03,
              relative=True),
        Claim("Held-out designs are put in order as well, less 4 points", "accuracy", "plain", -0.04),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(fit_steps=400),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=6,
    seeds=12,
)  # fmt: skip
