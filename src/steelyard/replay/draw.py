"""The draw rule: a coin for each prompt slot, then selection by recency or by a sequential softmax of reward.

    slot:    with probability m a recent prompt, otherwise any stored prompt; uniform, without replacement
    members: the G newest, or without replacement P(i next) = exp(b r_i) / sum over j not yet drawn of exp(b r_j)

b is the inverse temperature of reward r (1 / reward units); b = 0 is uniform. The sequential softmax is drawn as Gumbel
top-k: sort b r_i + Gumbel noise from high to low. That has exactly the same distribution (Yellott 1977; Kool et al.
2019, arXiv:1903.06059). P prompts, G samples per prompt, N stored entries of one prompt. Source: arXiv:2503.18929.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from steelyard.replay.entry import Entry

K = TypeVar("K")


@dataclass(frozen=True)
class Slot:
    """One prompt of a batch, and how it was chosen."""

    prompt_id: str
    newest: bool
    """The coin asked for recency: take the prompt's newest entries."""
    short: bool
    """The coin asked for recency, but no recent prompt was left."""


def shuffled(keys: Sequence[K], start: int, rng: np.random.Generator) -> Iterator[K]:
    """Yield `keys[start:]` in random order: a lazy Fisher-Yates shuffle, O(1) per key taken.

    >>> sorted(shuffled("abcd", 1, np.random.default_rng(0)))
    ['b', 'c', 'd']
    """
    moved: dict[int, int] = {}
    for left in range(len(keys) - start, 0, -1):
        pick = int(rng.integers(left))
        yield keys[start + moved.get(pick, pick)]
        moved[pick] = moved.get(left - 1, left - 1)


def choose_prompts(
    num_prompts: int,
    recent_probability: float,
    *,
    recent: Iterator[str],
    stored: Iterator[str],
    rng: np.random.Generator,
) -> Iterator[Slot]:
    """Choose up to `num_prompts` slots with different prompts; fewer when `stored` runs out.

    Args:
        num_prompts: slots to fill.
        recent_probability: m, the chance that a slot asks for recency.
        recent: the recent prompts, in random order.
        stored: every selectable prompt, in an independent random order.
        rng: source of the coins.

    A uniform random order stays uniform when the prompts already taken are skipped. So each choice is uniform over the
    prompts that remain.
    """
    taken: set[str] = set()
    for coin in rng.random(num_prompts) < recent_probability:
        found = next((p for p in recent if p not in taken), None) if coin else None
        prompt_id = found if found is not None else next((p for p in stored if p not in taken), None)
        if prompt_id is None:
            return
        taken.add(prompt_id)
        yield Slot(prompt_id, newest=bool(coin), short=bool(coin) and found is None)


def softmax_order(
    reward_N: Float[np.ndarray, "N"], inverse_temperature: float, rng: np.random.Generator
) -> Int[np.ndarray, "N"]:
    """Order the N indices as a sequential softmax of reward without replacement draws them.

    >>> reward_N = np.array([0.0, 1.0, 0.5])
    >>> softmax_order(reward_N, 1000.0, np.random.default_rng(0)).tolist()
    [1, 2, 0]
    """
    score_N = inverse_temperature * (reward_N - reward_N.max()) + rng.gumbel(size=len(reward_N))
    return np.argsort(-score_N, kind="stable")


def choose_entries(
    entries: Sequence[Entry],
    num_generations: int,
    *,
    newest: bool,
    inverse_temperature: float,
    rng: np.random.Generator,
) -> list[Entry]:
    """Choose G of a prompt's entries, which are given oldest first; none repeats unless there are fewer than G.

    With fewer than G, the order is cycled: the numbers of times that two entries occur differ by at most one.
    """
    if newest:
        order = range(len(entries) - 1, -1, -1)
    else:
        reward_N = np.array([entry.reward for entry in entries], dtype=np.float64)
        order = softmax_order(reward_N, inverse_temperature, rng).tolist()
    return [entries[order[i % len(entries)]] for i in range(num_generations)]
