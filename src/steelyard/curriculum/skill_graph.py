"""A skills graph: which skills help to learn which, given as edges or learned from short runs.

    A_ij = 1 where i = j,    w_ij where training on skill i helps skill j,    0 elsewhere

An edge is written FROM:TO or FROM:TO:WEIGHT, with the numbers of two domains. Two ways to learn edges from losses
L_j(.) on held-out examples of skill j, f a model and f_S the same after H steps on the skills S alone, in equal parts:

    pairs     i -> j where L_j(f_ij) < (1 - least) L_j(f_j)        k + k (k - 1) / 2 runs for k skills
    singles   i -> j where L_j(f_i)  < (1 - least) L_j(f)          k runs

Differs: the paper draws an edge wherever a loss is lower at all, which noise alone does half of the time; `least` is
ours. Edges that are learned have one weight, as in its experiments on LEGO; in others they have the change of loss.
Source: Chen et al. 2023, arXiv:2307.14430, algorithms 2 and 3 and appendix C.2.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, permutations
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import require

Edge = Annotated[
    str,
    Meta(
        pattern=r"^-?\d+:-?\d+(:\d+(\.\d+)?)?$",
        description="edges FROM:TO or FROM:TO:WEIGHT by the numbers of domains, such as 0:1 or 0:1:0.25,",
    ),
]
Way = Literal["pairs", "singles"]
Losses = Float64[np.ndarray, "D"]


def graph_of(edges: Iterable[str], domains: Sequence[int], weight: float) -> Float64[np.ndarray, "D D"]:
    """The matrix A over these domains.

    Args:
        edges: each FROM:TO or FROM:TO:WEIGHT.
        domains: their numbers, in the order of rows and columns.
        weight: of an edge that names none.

    Raises:
        SteelyardError: an edge names a domain that is none of these, or one domain twice, or stands twice.
    """
    places = {number: place for place, number in enumerate(domains)}
    graph_DD = np.eye(len(domains))
    seen: set[tuple[int, int]] = set()
    for edge in edges:
        start, end, *given = edge.split(":")
        for number in (int(start), int(end)):
            known = f"name some of {', '.join(map(str, domains))}"
            require(number in places, f"{edge}: no prompt has domain {number}", where="skill-it.edges", hint=known)
        pair = (places[int(start)], places[int(end)])
        require(
            pair[0] != pair[1],
            f"{edge}: a skill helps itself with weight 1",
            where="skill-it.edges",
            hint="leave it out",
        )
        require(pair not in seen, f"{edge}: stands twice", where="skill-it.edges", hint="leave one of them out")
        seen.add(pair)
        graph_DD[pair] = float(given[0]) if given else weight
    return graph_DD


def learn_edges(
    after: Callable[[Sequence[int]], Losses], domains: Sequence[int], *, way: Way = "pairs", least: float = 0.1
) -> tuple[str, ...]:
    """The edges that short runs show.

    Args:
        after: places of skills -> the loss of each skill after a run on these skills alone, from the same model; on
            none, that of the model.
        domains: the skills' numbers, by which edges are written.
        way: by runs on pairs of skills, or on single ones.
        least: the share by which a loss must be lower.
    """
    number = len(domains)
    alone_DD = np.array([after([i]) for i in range(number)])
    if way == "singles":
        base_D = after([])
        helps = {(i, j): (alone_DD[i, j], base_D[j]) for i, j in permutations(range(number), 2)}
    else:
        both = {pair: after(pair) for pair in combinations(range(number), 2)}
        ordered = permutations(range(number), 2)
        helps = {(i, j): (both[min(i, j), max(i, j)][j], alone_DD[j, j]) for i, j in ordered}
    drawn = [pair for pair, (helped, without) in helps.items() if helped < (1 - least) * without]
    return tuple(f"{domains[i]}:{domains[j]}" for i, j in drawn)
