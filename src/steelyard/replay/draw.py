"""The draw rule: a coin for each prompt slot, then recency or a sequential softmax of reward.

    slot:    with probability m a recent prompt, otherwise any stored prompt; uniform, without replacement
    members: the G newest, or without replacement P(i next) = exp(b r_i) / sum over j not yet drawn of exp(b r_j)

b is the inverse temperature of reward r (1 / reward units); b = 0 is uniform. The second law is drawn as Gumbel top-k,
which is the same law exactly: order b r_i + Gumbel noise from high to low (Yellott 1977; Kool et al. 2019,
arXiv:1903.06059). P prompts, G samples per prompt, N stored rows of one prompt. Source: arXiv:2503.18929.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from steelyard.replay.row import Row

K = TypeVar("K")


@dataclass(frozen=True)
class Slot:
    """One prompt of a batch, and how it was chosen."""

    prompt_id: str
    newest: bool
    """The coin asked for recency: take the prompt's newest rows."""
    short: bool
    """The coin asked for recency, but no recent prompt was left."""


def shuffled(keys: Sequence[K], start: int, rng: np.random.Generator) -> Iterator[K]:
    """`keys[start:]` in random order, one at a time: a Fisher-Yates shuffle that touches only what is asked for."""
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
    """Up to `num_prompts` slots with different prompts; fewer when `stored` runs out.

    Args:
        num_prompts: slots to fill.
        recent_probability: m, the chance that a slot asks for recency.
        recent: the recent prompts, in random order.
        stored: every selectable prompt, in random order of its own.
        rng: source of the coins.

    What is left of a random order after skipping the prompts already taken is still in uniform random order, so each
    choice is uniform over the prompts that remain, whichever way the others were taken.
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
    """Indices of all N rewards in the order in which a sequential softmax without replacement draws them."""
    score_N = inverse_temperature * (reward_N - reward_N.max()) + rng.gumbel(size=len(reward_N))
    return np.argsort(-score_N, kind="stable")


def choose_rows(
    rows: Sequence[Row], num_generations: int, *, newest: bool, inverse_temperature: float, rng: np.random.Generator
) -> list[Row]:
    """G of a prompt's rows (given oldest first), different ones unless there are fewer than G.

    A short group goes round again in the same order, so no row is in it more than once oftener than another.
    """
    if newest:
        order = range(len(rows) - 1, -1, -1)
    else:
        reward_N = np.array([row.reward for row in rows], dtype=np.float64)
        order = softmax_order(reward_N, inverse_temperature, rng).tolist()
    return [rows[order[i % len(rows)]] for i in range(num_generations)]
