"""Dichotomy of Control: a policy told a future from which everything was taken that actions do not control.

Differs: z is one of K, and sums over it are exact, where the authors' tabular code draws it with a straight-through
gradient and their networks draw a normal one. The mutual information is the gain of two networks that guess z from what
the environment drew over one that guesses it without, where the paper fits energies; both are exact at their optimum.
The rivals always learn to guess better, and q to be guessed worse: the energies of the published tabular code are
minimised by both sides, which is no bound. A past is read through the observation and the number of steps since; this
is enough where the environment is Markov in what is seen. z is chosen anew at every step, as by the authors' networks.

    q(z|t): reads s_t, a_t, R_t and the next W steps
    L   = sum_z q(z|t) [ -log pi(a_t|s_t, z) + (V(s_t, z) - R_t)^2 ] - sum_z sg(q) log p(z|s_t)
          + sum_{k >= t} [ w_r I(r_k; z | s_t, k - t, s_k, a_k) + w_s I(s_{k+1}; z | s_t, k - t, s_k, a_k) ]
    I(x; z | c) = E_{z ~ q} [ log D(z|c, x) - log D_0(z|c) ],    D(z|c, x) ~ D_0(z|c) exp f(c, x, z)

D_0 and the energies f are the likeliest guesses of z; f begins at 0. q begins as a copy of a_t, which keeps both
constraints: z then is an action, V its value under what was played, and what the future adds has to keep them, too.

Act: z* with the highest V(s, z) among 100 draws of p(z|s), then the likeliest a of pi(a|s, z*), as their networks do.
I = 0 for all k: what later steps pay, and where they lead, is as likely under z as without it, so V(s_t, z) is what
acting by z earns, and no luck is mistaken for skill. The sum over k is estimated on a few drawn steps of the future.
w_r = w_s = 0 is future-conditioned learning without the constraint. Returns have spread 1, I is in nats: a latent that
goes with luck by a correlation of c lowers the error of V by c^2 and costs w c^2 / 2, so weights should be above 2.
V of a rare latent rests on few samples, and the highest of many is picked for its luck: few latents are safer.
Source: Yang et al. 2022, arXiv:2210.13435, and the authors' code (github.com/google-research/google-research,
dichotomy_of_control). Not confirmed: weights other than the 1 of their tabular code, and how often z is chosen in the
paper's runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from steelyard.control.latent_policy import perceptron
from steelyard.control.offline import Offline, Sizes
from steelyard.control.offline_learner import OfflineLearner, Reading
from steelyard.core import NonNegative, PositiveInt, method
from steelyard.core.json import JsonObject

LATER = 4
"""Drawn steps of a future on which the constraint is estimated."""

COPIED = 4.0
"""Log-odds with which a latent begins as a copy of an action."""


@method(
    "dichotomy",
    paper="arXiv:2210.13435",
    claim="Future-conditioned learning without luck in the future keeps what it promises where the world is random.",
)
@dataclass(frozen=True)
class Dichotomy(OfflineLearner):
    """Condition on a latent future that is independent of what the environment draws."""

    num_latents: PositiveInt = 16
    """Futures that are told apart."""
    reward_weight: NonNegative = 5.0
    """Weight of the mutual information with rewards; 0 leaves their luck in."""
    next_weight: NonNegative = 5.0
    """Weight of the mutual information with next observations; 0 leaves their luck in."""
    window: PositiveInt = 16
    """Steps of the future that are read beside its return."""

    @property
    def latents(self) -> int:
        """K."""
        return self.num_latents

    def reading(self, sizes: Sizes) -> "Future":
        """The encoder and its rivals."""
        weights = {"reward": self.reward_weight, "next": self.next_weight}
        return Future(sizes, self.num_latents, self.width, self.window, weights)


class Future(Reading):
    """q(z|t), and the networks that guess z.

    Args:
        sizes: of what is seen and done.
        latents: K.
        width: of the hidden layers.
        window: W.
        weights: w_r and w_s, by the name of a rival.
    """

    def __init__(self, sizes: Sizes, latents: int, width: int, window: int, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.window = window
        self.weights = weights
        step = sizes.observation + sizes.actions
        self.each = perceptron(1 + step + 1 + sizes.observation, width, width)
        self.whole = perceptron(step + 1 + width, width, latents)
        self.copy = nn.Linear(sizes.actions, latents, bias=False)
        with torch.no_grad():
            of_K = torch.arange(latents) % sizes.actions
            self.copy.weight.copy_(COPIED * (of_K[:, None] == torch.arange(sizes.actions)))
        known = 1 + sizes.observation + step
        self.rivals = nn.ModuleDict(
            {
                "none": perceptron(known, width, latents),
                "reward": perceptron(known + 1, width, latents),
                "next": perceptron(known + sizes.observation, width, latents),
            }
        )
        for name in weights:
            nn.init.zeros_(self.rivals[name][-1].weight)  # pyright: ignore[reportIndexIssue, reportArgumentType]
            nn.init.zeros_(self.rivals[name][-1].bias)  # pyright: ignore[reportIndexIssue, reportArgumentType]

    def forward(
        self, data: Offline, t_B: Int64[Tensor, "B"], draws: np.random.Generator
    ) -> tuple[Float[Tensor, "B K"], Tensor]:
        """q(z|t), and both informations as the rivals see them, beside what the rivals learn from."""
        q_BK = self.read(data, t_B)
        guesses, length_B = self.guesses(data, t_B, draws)
        lesson = sum((-(q_BK.detach()[:, None] * g).sum(-1).mean() for g in guesses.values()), torch.zeros(()))
        gains = (w * (guesses[name] - guesses["none"]).detach().mean(1) for name, w in self.weights.items())
        gain_BK = sum(gains, torch.zeros_like(q_BK))
        return q_BK, lesson + (length_B * (q_BK * gain_BK).sum(-1)).mean()

    def read(self, data: Offline, t_B: Int64[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """q(z|t)."""
        gap_W = torch.arange(self.window)
        k_BW = t_B[:, None] + gap_W
        there_BW = k_BW <= data.last_N[t_B, None]
        k_BW = k_BW.minimum(data.last_N[t_B, None])
        gap_BW1 = (gap_W / self.window).expand(k_BW.shape)[..., None]
        happened = [data.seen_NO[k_BW], data.action_NA[k_BW], data.reward_N[k_BW, None], data.next_NO[k_BW]]
        each_BWH = self.each(torch.cat([gap_BW1, *happened], -1)) * there_BW[..., None]
        mean_BH = each_BWH.sum(1) / there_BW.sum(1, keepdim=True)
        now = [data.seen_NO[t_B], data.action_NA[t_B], data.return_N[t_B, None], mean_BH]
        return (self.copy(data.action_NA[t_B]) + self.whole(torch.cat(now, -1))).softmax(-1)

    def guesses(
        self, data: Offline, t_B: Int64[Tensor, "B"], draws: np.random.Generator
    ) -> tuple[dict[str, Float[Tensor, "B C K"]], Float[Tensor, "B"]]:
        """log D of each rival at C drawn steps of each future, and how many steps a future has."""
        length_B = data.last_N[t_B] - t_B + 1
        share_BC = torch.from_numpy(draws.random((len(t_B), LATER)))
        gap_BC = (share_BC * length_B[:, None]).long()
        k_BC = t_B[:, None] + gap_BC
        begun_BCO = data.seen_NO[t_B][:, None].expand(-1, LATER, -1)
        known = [gap_BC[..., None] / self.window, begun_BCO, data.seen_NO[k_BC], data.action_NA[k_BC]]
        drawn = {"reward": data.reward_N[k_BC, None], "next": data.next_NO[k_BC]}
        assert self.rivals is not None
        none_BCK = self.rivals["none"](torch.cat(known, -1)).log_softmax(-1)
        found = {"none": none_BCK}
        for name, x_BCX in drawn.items():
            energy_BCK = self.rivals[name](torch.cat([*known, x_BCX], -1))
            found[name] = (none_BCK.detach() + energy_BCK).log_softmax(-1)
        return found, length_B.float()

    def measured(self, data: Offline, draws: np.random.Generator) -> JsonObject:
        """Both informations on held-out steps, in nats; below 0 the rivals know nothing."""
        every_N = torch.arange(len(data.reward_N))
        q_NK = self.read(data, every_N)
        guesses, length_N = self.guesses(data, every_N, draws)
        found: JsonObject = {}
        for name in self.weights:
            gain_N = (q_NK[:, None] * (guesses[name] - guesses["none"])).sum(-1).mean(1)
            found[f"eval/mi_{name}"] = float((length_N * gain_N).mean())
        return found
