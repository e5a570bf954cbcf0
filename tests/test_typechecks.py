"""The cheaper type checks still refuse what jaxtyping and beartype refuse."""

from dataclasses import dataclass

import beartype
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from typechecks import checked, has_axes

check = checked(typechecker=beartype.beartype)


@check
def scaled(rows_NT: Float[Tensor, "N T"], scale: list[Float[Tensor, "T"]] | None) -> Float[Tensor, "N T"]:
    return rows_NT if scale is None else rows_NT[:, :1]


@check
def plain(number: int, words: list[str]) -> str:
    return words[number] if number else number  # type: ignore[return-value]


@check
@dataclass(frozen=True)
class Both:
    rows_NT: Float[Tensor, "N T"]
    scale_T: Float[Tensor, "T"]


@check
@dataclass(frozen=True)
class Plain:
    number: int


def test_axes_are_compared_within_a_call_and_with_what_comes_back() -> None:
    rows_NT = torch.ones(2, 3)
    assert scaled(rows_NT, None) is rows_NT
    with pytest.raises(TypeCheckError, match="rows_NT"):
        scaled(torch.ones(2), None)
    with pytest.raises(TypeCheckError, match="scale"):
        scaled(rows_NT, [torch.ones(2)])
    with pytest.raises(TypeCheckError, match="return"):
        scaled(rows_NT, [torch.ones(3)])


def test_types_without_axes_are_checked_both_ways() -> None:
    assert plain(1, ["a", "b"]) == "b"
    for wrong in (("1", ["a"]), (1, [1]), (0, ["a"])):
        with pytest.raises(beartype.roar.BeartypeCallHintViolation):
            plain(*wrong)


def test_settings_are_checked_when_they_are_built() -> None:
    with pytest.raises(TypeCheckError):
        Both(torch.ones(2, 3), torch.ones(2))
    with pytest.raises(beartype.roar.BeartypeCallHintViolation):
        Plain("1")  # type: ignore[arg-type]


def test_where_axes_are_found() -> None:
    assert has_axes(Float[Tensor, "N"])
    assert has_axes(dict[str, tuple[Float[Tensor, "N"], ...]] | None)
    assert has_axes("later")
    assert not has_axes(dict[str, list[int]] | None)
