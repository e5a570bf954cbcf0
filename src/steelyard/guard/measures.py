"""How well a guard rules on labelled texts, and what that costs.

    F1       of harm; a text is ruled harmful from a probability of 1/2 on
    routed   share of the texts that go to the large guard
    cost     (parameters of the small guard + routed * parameters of the large one) / parameters of the large one

N texts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core.json import JsonObject
from steelyard.guard.bag import f1
from steelyard.guard.base import Guard
from steelyard.guard.labelled import Labelled

SHOWN = 8
"""Texts in the records, half of them those that are ruled on wrongly, where there are so many."""


def alone(harm_N: Float[Tensor, "N"], texts: Labelled) -> JsonObject:
    """Of one guard."""
    said_N = harm_N >= 0.5
    right = float((said_N == texts.harm_N).float().mean())
    return {"eval/f1": f1(said_N, texts.harm_N), "eval/right": right, "eval/texts": len(texts.texts)}


def measured(guard: Guard, texts: Labelled) -> tuple[JsonObject, list[JsonObject]]:
    """How it rules on these texts, and some of them to read."""
    harm_N = guard(texts.texts).harm_N
    return alone(harm_N, texts), [*examples(harm_N, texts, None)]


def together(
    small_N: Float[Tensor, "N"],
    large_N: Float[Tensor, "N"],
    routed_N: Bool[Tensor, "N"],
    texts: Labelled,
    sizes: tuple[int, int],
) -> JsonObject:
    """Of a small guard with a large one, beside either alone; `sizes` are their parameters."""
    ruled_N = torch.where(routed_N, large_N, small_N)
    routed = float(routed_N.float().mean())
    each = {"eval/f1_small": f1(small_N >= 0.5, texts.harm_N), "eval/f1_large": f1(large_N >= 0.5, texts.harm_N)}
    return alone(ruled_N, texts) | each | {"eval/routed": routed, "eval/cost": sizes[0] / sizes[1] + routed}


def examples(harm_N: Float[Tensor, "N"], texts: Labelled, routed_N: Bool[Tensor, "N"] | None) -> Sequence[JsonObject]:
    """Some texts with their rulings, to read: wrong ones first. Their reward is 1 where the ruling is right."""
    right = ((harm_N >= 0.5) == texts.harm_N).tolist()
    return [_example(i, harm_N, texts, routed_N, right[i]) for i in to_read(right)]


def to_read(right: Sequence[bool]) -> list[int]:
    """Places of those that a record shows: wrong rulings first, and of them at most half.

    >>> to_read([True, False, True])
    [1, 0, 2]
    """
    wrong = [i for i, good in enumerate(right) if not good][: SHOWN // 2]
    return wrong + [i for i, good in enumerate(right) if good][: SHOWN - len(wrong)]


def _example(
    i: int, harm_N: Float[Tensor, "N"], texts: Labelled, routed_N: Bool[Tensor, "N"] | None, right: bool
) -> JsonObject:
    by = "" if routed_N is None else ", by the large guard" if routed_N[i] else ", by the small guard"
    said = f"{'harmful' if harm_N[i] >= 0.5 else 'harmless'} ({float(harm_N[i]):.2f}{by})"
    return {"prompt": texts.texts[i], "completion": said, "reward": float(right)}
