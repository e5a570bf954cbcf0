"""The draw rule: which prompts a batch has, and which of a prompt's trajectories a group has.

    slot:    asks for a recent prompt (share m of the slots, by a coin or by count), otherwise for any stored prompt;
             uniform, or for stored prompts by age (`orders`), without replacement
    members: the n newest, then others without replacement:  P(i next) = exp(s_i) / sum over j not yet drawn of exp(s_j)

n = G in a slot that asks for recency. s is the score of an entry (`priority`); equal scores are uniform. The sequential
softmax is drawn as Gumbel top-k: sort s_i + Gumbel noise from high to low. That has exactly the same distribution
(Yellott 1977; Kool et al. 2019, arXiv:1903.06059). P prompts, G samples per prompt, N stored entries of one prompt.

A coin for each slot gives a binomial number of recent slots. "count" gives floor(m P) or ceil(m P) of them, by lot, so
that the mean is m P: slot i is recent where floor(u + (i + 1) m) > floor(u + i m), for one u uniform in [0, 1). That is
the fresh anchor of RL-PER (a batch keeps its fresh rollouts, and replayed ones are drawn separately), as a share of P.
n of G is RePO's mixture within a group: G_on samples of the prompt that are new, and G_off replayed ones. Differs:
RePO takes its advantages separately in the two parts; here they are one group.
Sources: arXiv:2503.18929; RL-PER, arXiv:2606.04560 (abstract alone); RePO, arXiv:2506.09340.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from steelyard.replay.entry import Entry

RecentSlots = Literal["coin", "count"]


@dataclass(frozen=True)
class Slot:
    """One prompt of a batch, and how it was chosen."""

    prompt_id: str
    newest: bool
    """The slot asked for recency: take the prompt's newest entries."""
    short: bool
    """The slot asked for recency, but no recent prompt was left."""


def choose_prompts(
    num_prompts: int,
    recent_probability: float,
    *,
    recent: Iterator[str],
    stored: Iterator[str],
    rng: np.random.Generator,
    recent_slots: RecentSlots = "coin",
) -> Iterator[Slot]:
    """Choose up to `num_prompts` slots with different prompts; fewer when `stored` runs out.

    Args:
        num_prompts: slots to fill.
        recent_probability: m, the chance that a slot asks for recency.
        recent: the recent prompts, in random order.
        stored: every selectable prompt, in an independent random order.
        rng: source of the coins.
        recent_slots: whether each slot has a coin, or their number is fixed.

    A uniform random order, and that of a sequential softmax, stays one when the prompts already taken are skipped. So
    each choice is from the prompts that remain, by the same weights.
    """
    taken: set[str] = set()
    for coin in _recent_slots(num_prompts, recent_probability, recent_slots, rng):
        found = next((p for p in recent if p not in taken), None) if coin else None
        prompt_id = found if found is not None else next((p for p in stored if p not in taken), None)
        if prompt_id is None:
            return
        taken.add(prompt_id)
        yield Slot(prompt_id, newest=bool(coin), short=bool(coin) and found is None)


def _recent_slots(
    num_prompts: int, probability: float, kind: RecentSlots, rng: np.random.Generator
) -> Bool[np.ndarray, "P"]:
    """True for the slots that ask for recency."""
    if kind == "coin":
        return rng.random(num_prompts) < probability
    return np.diff(np.floor(rng.random() + probability * np.arange(num_prompts + 1))) > 0


def softmax_order(score_N: Float[np.ndarray, "N"], rng: np.random.Generator) -> Int[np.ndarray, "N"]:
    """Order the N indices as a sequential softmax of the scores without replacement draws them.

    >>> softmax_order(1000.0 * np.array([0.0, 1.0, 0.5]), np.random.default_rng(0)).tolist()
    [1, 2, 0]
    """
    return np.argsort(-(score_N + rng.gumbel(size=len(score_N))), kind="stable")


def choose_entries(
    entries: Sequence[Entry],
    score_N: Float[np.ndarray, "N"],
    num_generations: int,
    *,
    num_newest: int,
    rng: np.random.Generator,
) -> list[Entry]:
    """Choose G of a prompt's N entries, which are given oldest first; none repeats unless there are fewer than G.

    First come the `num_newest` newest, then others by their scores. With fewer than G, the order is cycled: the numbers
    of times that two entries occur differ by at most one.
    """
    order = [*range(len(entries) - 1, -1, -1)][:num_newest]
    if len(order) < num_generations:
        order += softmax_order(score_N[: len(entries) - len(order)], rng).tolist()
    return [entries[order[i % len(order)]] for i in range(num_generations)]


def num_newest(share: float, num_generations: int) -> int:
    """n, the members of a group that are its prompt's newest, for their share of G; halves are rounded up.

    >>> [num_newest(share, 4) for share in (0.0, 0.3, 0.375, 1.0)]
    [0, 1, 2, 4]
    """
    return int(share * num_generations + 0.5)
