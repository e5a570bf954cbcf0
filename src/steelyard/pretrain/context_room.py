"""Which rows of a file a model has room for."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from steelyard.core import Trajectory, require

T = TypeVar("T")
LEFT_OUT = "rows left out because they do not fit the model's context"
Size = tuple[int, int]
"""Tokens of the prompt, and of the longest sequence of prompt and completion."""


def size_of(rows: Sequence[Trajectory]) -> Size:
    """The largest lengths of a row in all the forms that it is read in."""
    return max(int((~t.action_T).sum()) for t in rows), max(len(t.tokens_T) for t in rows)


def with_room(
    train: Sequence[T], held: Sequence[T], size: Callable[[T], Size], *, context: int, answer: int, what: str, path: str
) -> tuple[list[T], list[T], Counter[str]]:
    """The rows that fit, those held out with room for a greedy answer too, and how many were left out.

    Args:
        train: rows to learn from.
        held: rows that are held out.
        size: a row's lengths.
        context: the model's, in tokens.
        answer: most tokens of a greedy answer.
        what: a row in one word, for errors.
        path: of the rows, for errors.

    Raises:
        SteelyardError: no row of either part fits.
    """
    kept = [one for one in train if size(one)[1] <= context]
    able = [one for one in held if (own := size(one))[1] <= context and own[0] + answer <= context]
    hint = "lower --max-completion-length, or take a model with a longer context"
    require(bool(kept) and bool(able), f"no {what} fits a context of {context} tokens", where=path, hint=hint)
    return kept, able, +Counter({LEFT_OUT: len(train) + len(held) - len(kept) - len(able)})
