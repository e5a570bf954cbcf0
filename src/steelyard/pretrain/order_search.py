"""A genetic algorithm over orders: the ones with the lowest loss, as far as it is estimated, go on and are crossed.

    child = a stretch of one parent, the rest in the order of the other (order crossover), perhaps two places swapped

Each generation keeps its best order and draws parents by tournaments of two. How the paper crosses orders is not
confirmed. Source: Yang et al. 2025, arXiv:2505.22042; order crossover: Davis 1985.
"""

from collections.abc import Callable, Sequence

import numpy as np

Order = tuple[int, ...]


def search(
    loss: Callable[[Order], float], first: Sequence[Order], generations: int, draws: np.random.Generator
) -> Order:
    """The best order that is found; never one with a higher loss than the best of the first generation.

    Args:
        loss: of an order; asked once for each.
        first: the first generation; every generation has as many.
        generations: how often it is bred.
        draws: of parents, stretches and swaps.
    """
    known: dict[Order, float] = {}

    def asked(order: Order) -> float:
        if order not in known:
            known[order] = loss(order)
        return known[order]

    living = [*first]
    for _ in range(generations):
        best = min(living, key=asked)
        living = [best, *(_child(living, asked, draws) for _ in living[1:])]
    return min(living, key=asked)


def _child(living: Sequence[Order], asked: Callable[[Order], float], draws: np.random.Generator) -> Order:
    one, other = (min((living[i] for i in draws.integers(len(living), size=2)), key=asked) for _ in range(2))
    child = crossed(one, other, *sorted(draws.integers(len(one) + 1, size=2).tolist()))
    if draws.random() < 0.5:
        i, j = draws.integers(len(one), size=2)
        child[i], child[j] = child[j], child[i]
    return tuple(child)


def crossed(one: Sequence[int], other: Sequence[int], start: int, end: int) -> list[int]:
    """The stretch of `one` from start to end where it stands, the rest in the order of `other`."""
    kept = set(one[start:end])
    rest = [batch for batch in other if batch not in kept]
    return [*rest[:start], *one[start:end], *rest[start:]]


def moved_to(batch: int, place: int, number: int) -> Order:
    """The batches in order, one of them at another place."""
    rest = [i for i in range(number) if i != batch]
    return (*rest[:place], batch, *rest[place:])
