"""WL-AC: cheap labels of every text, costly ones of a few that are drawn, and a loss that the cheap ones do not bias.

Differs: no set of hypotheses is kept, and no region where they disagree. In place of the program over that set, which
asks as little as bounds the variance of each, one network's own estimate of the squared error is bounded, whose
solution is p ~ sqrt(err). Evaluated is a uniform part of a block. The loss is bounded, since a target outside of 0 and
1 pulls a log loss without end. Unconfirmed: the paper's rules for blocks, evaluation and p, of which we have summaries.

    blocks of n, 2 n, 4 n ... texts, in an order that is drawn; b strong labels at most for each, in proportion
    evaluate   y of e texts, drawn alike;      q = sigma(z) before the block, y_w the weak label or its probability
               s_w = (1/2 + sum (y - y_w)^2) / (e + 2),        s_q = (1/2 + sum (y - q)^2) / (e + 2)
               the weak labeller is trusted in this block where s_w < s_q
    query      err = q (1 - w)^2 + (1 - q) w^2,   w = y_w where it is trusted, else q
               p = clip(c sqrt(err), least m / (n - e), 1),   sum p = m = (b - e) min(1, 4 min(s_w, s_q))
               Q = 1 for m texts, each with its probability p (systematic sampling)
    update     L = mean of l(z, y_w) + Q/p (l(z, y) - l(z, y_w)) where trusted, of Q/p l(z, y) elsewhere
               l(z, t) = log(1 + exp(z')) - t z',   z' = clip(z, -bound, bound)

1/4 is the squared error of who knows nothing: m falls as the weak labeller or the network is better. l is linear in t,
so the first mean is that of l(z, t) with the corrected label t = y_w + Q/p (y - y_w), whose expectation is y, whatever
the weak labeller says. L is unbiased for the loss of strong labels at every text, given q. N texts, M of a block.
Source: Chen et al. 2022, arXiv:2211.02233; the estimator: Robins et al. 1994; q (1 - q) alone: Huang et al. 2015,
arXiv:1506.08669, with which `weak_labels="never"` shares the idea.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.functional import softplus

from steelyard.core import Positive, PositiveInt, ShareAboveZero, ShareInside, checked, method, require, rng
from steelyard.guard.label_ledger import Answers, Ledger
from steelyard.learner.fitting import Fitting

LogOdds = Callable[[Sequence[int]], Float[Tensor, "B"]]
"""The network's log-odds of the texts at these places, with a gradient."""
Strong = Callable[[Sequence[int]], Float[Tensor, "B"]]
"""The strong labels, 0 or 1, of the texts at these places; each is asked for once."""
READ = 256
"""Texts that the network reads at a time before a block."""
GUESS = 0.25
"""Squared error of who says one half of everything."""


class Lessons(NamedTuple):
    """The C texts that weigh anything, and what is learned of each."""

    place_C: Int64[Tensor, "C"]
    weight_C: Float[Tensor, "C"]
    """Their weights, so that a mean over these texts is one over all."""
    target_C: Float[Tensor, "C"]


@method(
    "wl-ac",
    paper="arXiv:2211.02233",
    claim="Weak labels cut the strong ones that are asked for, at equal accuracy; a malicious labeller does no harm.",
)
@checked()
@dataclass(frozen=True)
class WLAC:
    """Which texts get a strong label, and how a network learns from both kinds."""

    budget: PositiveInt = 200
    """Strong labels that may be asked for, at most; held-out texts beside."""
    blocks: Annotated[int, Meta(ge=1, le=10)] = 3
    """Blocks of the texts, each twice as long as the one before."""
    evaluate: ShareInside = 0.2
    """Share of a block's strong labels that goes to texts drawn alike, to judge the weak labeller by."""
    least: ShareAboveZero = 0.3
    """Least probability with which a text is asked about, as a share of the block's mean."""
    weak_labels: Literal["judged", "never", "always"] = "judged"
    """Trust the weak labeller as it is judged, never (active learning without it), or always."""
    bound: Positive = 4.0
    """Log-odds beyond which the loss does not change."""
    steps: PositiveInt = 600
    """Steps of AdamW, as many for each block."""
    batch: PositiveInt = 64
    """Texts in a step, drawn with replacement."""

    def __post_init__(self) -> None:
        fewest = 2 * (2**self.blocks - 1)
        what = f"is {self.budget}, for {self.blocks} blocks"
        require(self.budget >= fewest, what, where="--budget", hint=f"use at least {fewest}, or fewer --blocks")

    def begin(
        self,
        module: nn.Module,
        log_odds: LogOdds,
        weak_N: Float[Tensor, "N"],
        strong: Strong,
        *,
        learning_rate: float,
        seed: int,
    ) -> tuple[Fitting, Ledger]:
        """The fit before its first step, and the labels, where it enters what it asks for.

        Args:
            module: the network.
            log_odds: how it reads.
            weak_N: what the weak labeller says of every text, from 0 to 1.
            strong: who is asked.
            learning_rate: AdamW's.
            seed: of order, draws and batches.
        """
        require(len(weak_N) > 0, "there are no texts to learn from", where="wl-ac", hint="give some")
        ledger = Ledger(weak_N)
        blocks = self.cut(rng(seed, "wl-ac", "order").permutation(len(weak_N)).tolist())
        draws = rng(seed, "wl-ac", "batches")
        lessons: dict[int, Lessons] = {}

        def loss() -> Tensor:
            while (k := int(ledger.opened)) < len(blocks) and k * fitting.num_steps <= fitting.steps * len(blocks):
                place_M, most = blocks[k]
                own = rng(seed, "wl-ac", "block", k)
                said_M = self.answers(ledger.weak_N[place_M], read(log_odds, place_M), place_M, most, strong, own)
                ledger.enter(place_M, said_M)
            if k not in lessons:  # they stay the same until another block is entered
                lessons[k] = self.lessons(ledger)
            return self.loss_of(log_odds, lessons[k], draws)

        parameters = [p for p in module.parameters() if p.requires_grad]
        adam = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=1e-2)
        both = nn.ModuleDict({"network": module, "ledger": ledger})  # a checkpoint holds what was paid for
        fitting = Fitting(both, adam, loss, draws, self.steps)
        return fitting, ledger

    def cut(self, place_N: Sequence[int]) -> list[tuple[list[int], int]]:
        """The blocks, none of them empty, and how many strong labels each may have."""
        parts = 2**self.blocks - 1
        ends = [round(len(place_N) * (2**k - 1) / parts) for k in range(self.blocks + 1)]
        labels = [self.budget * (2**k - 1) // parts for k in range(self.blocks + 1)]
        cuts = [(list(place_N[a:b]), d - c) for a, b, c, d in zip(ends, ends[1:], labels, labels[1:], strict=False)]
        return [(place_M, most) for place_M, most in cuts if place_M]

    def answers(
        self,
        weak_M: Float[Tensor, "M"],
        q_M: Float[Tensor, "M"],
        place_M: Sequence[int],
        most: int,
        strong: Strong,
        draws: np.random.Generator,
    ) -> Answers:
        """Evaluate the weak labeller in a block, decide, draw texts, and ask; `most` strong labels at most."""
        most = min(most, len(place_M))
        tried = max(1, min(most - 1, round(self.evaluate * most)))
        order = torch.from_numpy(draws.permutation(len(place_M)))
        first, rest = order[:tried], order[tried:]
        found_M = torch.full_like(weak_M, torch.nan)
        found_M[first] = asked(strong, place_M, first).to(found_M)
        weak_error, own_error = (self.error(said_M[first], found_M[first]) for said_M in (weak_M, q_M))
        trusted = weak_error < own_error if self.weak_labels == "judged" else self.weak_labels == "always"
        chance_M = torch.ones_like(weak_M)
        if len(rest):
            wanted = max(1, round((most - tried) * min(1.0, min(weak_error if trusted else 1.0, own_error) / GUESS)))
            chance_M[rest] = self.chances(q_M[rest], (weak_M if trusted else q_M)[rest], min(wanted, len(rest)))
            drawn = rest[drawn_by(chance_M[rest], draws)]
            found_M[drawn] = asked(strong, place_M, drawn).to(found_M)
        return Answers(chance_M, found_M, trusted)

    def error(self, said_M: Float[Tensor, "M"], strong_M: Float[Tensor, "M"]) -> float:
        """s: the mean squared error of what was said, as if two more texts had been guessed."""
        return float((2 * GUESS + (strong_M - said_M).square().sum()) / (len(said_M) + 2))

    def chances(self, q_M: Float[Tensor, "M"], said_M: Float[Tensor, "M"], wanted: int) -> Float[Tensor, "M"]:
        """p of each text, where so many of M are to be asked about."""
        error_M = q_M * (1 - said_M).square() + (1 - q_M) * said_M.square()
        root_M = error_M.clamp(min=1e-12).sqrt().numpy()
        low, high = self.least * wanted / len(root_M), 2 / root_M.min()
        scales = [0.0, float(high)]
        for _ in range(80):
            middle = sum(scales) / 2
            scales[int((middle * root_M).clip(low, 1).sum() > wanted)] = middle
        return torch.from_numpy((scales[0] * root_M).clip(low, 1))

    def lessons(self, ledger: Ledger) -> Lessons:
        """What is learned from the texts so far."""
        weight_N, target_N = self.learned_from(ledger)
        place_C = torch.nonzero(weight_N)[:, 0]
        share = len(place_C) / int(ledger.entered_N.sum())
        return Lessons(place_C, (share * weight_N[place_C]).float(), target_N[place_C].float())

    def loss_of(self, log_odds: LogOdds, lessons: Lessons, draws: np.random.Generator) -> Tensor:
        """The loss of a batch; its mean over batches is L."""
        of_B = torch.from_numpy(draws.integers(len(lessons.place_C), size=self.batch))
        z_B = log_odds(lessons.place_C[of_B].tolist())
        return (lessons.weight_C[of_B].to(z_B) * self.loss(z_B, lessons.target_C[of_B].to(z_B))).mean()

    def learned_from(self, ledger: Ledger) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
        """What each text weighs, and the label that is learned."""
        return ledger.weight_N, ledger.target_N

    def loss(self, z_N: Float[Tensor, "N"], target_N: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
        """l(z, t) of each text (nats)."""
        held_N = z_N.clamp(-self.bound, self.bound)
        return softplus(held_N) - target_N * held_N


def drawn_by(chance_M: Float[Tensor, "M"], draws: np.random.Generator) -> Bool[Tensor, "M"]:
    """Each with its probability, and together as many as these add up to (rounded): systematic sampling."""
    order = torch.from_numpy(draws.permutation(len(chance_M)))
    marks = torch.floor(chance_M[order].cumsum(0) - draws.random())
    chosen = torch.diff(marks, prepend=torch.tensor([-1.0]).to(marks)) > 0
    return torch.zeros(len(chance_M), dtype=torch.bool).index_put((order,), chosen)


def asked(strong: Strong, place_M: Sequence[int], of: Int64[Tensor, "Q"]) -> Float[Tensor, "Q"]:
    """What the strong labeller says of some texts of a block."""
    return strong([place_M[i] for i in of.tolist()])


@torch.no_grad()
def read(log_odds: LogOdds, places: Sequence[int]) -> Float[Tensor, "M"]:
    """The network's probability of harm."""
    found = [log_odds(places[i : i + READ]).double().cpu() for i in range(0, len(places), READ)]
    return torch.cat(found).sigmoid()
