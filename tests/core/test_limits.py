import dataclasses
import importlib
import inspect
import math
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

import steelyard
from steelyard.core import Positive, PositiveInt, PositiveOrInf, Share, SteelyardError, checked, decode, encode
from steelyard.core.limits import _leaves, check_when_built, limits_of


@checked("mill")
@dataclass(frozen=True)
class Mill:
    """Settings with one field of each kind."""

    beta: Positive = 0.5
    """A float."""
    steps: PositiveInt = 3
    """A whole number."""
    clip: PositiveOrInf = math.inf
    """A float that may be infinite."""
    bound: Annotated[int, Meta(ge=0)] | None = None
    """A number that may be left out."""
    even: Annotated[int, Meta(ge=2, le=60, multiple_of=2)] = 2
    """Several bounds."""
    rate: Annotated[float, Meta(gt=0, lt=1, examples=[0.1])] = 0.25
    """Bounds with an example."""
    scale: Literal["log", "mean", "sum"] = "log"
    """Some words."""
    shares: tuple[Share, ...] = (0.0, 1.0)
    """Several numbers."""
    name: Annotated[str, Meta(min_length=1, description="a name")] = "x"
    """A text."""
    free: float = -1.0
    """No limit."""


WRONG = [
    ({"beta": 0.0}, "mill.beta: is 0.0; use more than 0"),
    ({"beta": math.nan}, "mill.beta: is nan; use more than 0"),
    ({"beta": math.inf}, "mill.beta: is inf; use a finite number, more than 0"),
    ({"beta": "x"}, "mill.beta: is 'x'; use more than 0"),
    ({"steps": 0}, "mill.steps: is 0; use 1 or more"),
    ({"steps": 2.5}, "mill.steps: is 2.5; use a whole number, 1 or more"),
    ({"clip": -math.inf}, "mill.clip: is -inf; use more than 0"),
    ({"bound": -1}, "mill.bound: is -1; use 0 or more, or None"),
    ({"even": 62}, "mill.even: is 62; use 2 to 60, a multiple of 2"),
    ({"even": 3}, "mill.even: is 3; use 2 to 60, a multiple of 2"),
    ({"rate": 1.0}, "mill.rate: is 1.0; use more than 0, less than 1, such as 0.1"),
    ({"scale": "product"}, "mill.scale: is 'product'; use log, mean or sum"),
    ({"shares": (0.5, 2.0)}, "mill.shares: is (0.5, 2.0); use 0 to 1 for each"),
    ({"name": ""}, "mill.name: is ''; use a name"),
    ({"rate": 1.0, "beta": -1.0}, "mill.beta: is -1.0; use more than 0"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_every_way_of_building_gives_the_same_line(given: dict[str, Any], said: str) -> None:
    builders = [
        lambda: Mill(**given),
        lambda: dataclasses.replace(Mill(), **given),
        lambda: decode({"scale": "mean", **given}, Mill),
    ]
    of_another_type = given in ({"beta": "x"}, {"steps": 2.5}, {"scale": "product"})  # decode names the type first
    for build in builders[: 2 if of_another_type else None]:
        with pytest.raises(SteelyardError) as caught:
            build()
        assert str(caught.value) == said


def test_the_command_line_is_checked_and_its_help_is_as_without_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert tyro.cli(Mill, args=["--bound", "4", "--shares", "0.5", "1"]) == Mill(bound=4, shares=(0.5, 1.0))
    with pytest.raises(SteelyardError, match=r"^mill\.bound: is -1; use 0 or more, or None$"):
        tyro.cli(Mill, args=["--bound", "-1"])
    with pytest.raises(SystemExit):
        tyro.cli(Mill, args=["--help"])
    said = capsys.readouterr().out
    assert "--beta FLOAT" in said
    assert "--scale {log,mean,sum}" in said


def test_what_is_allowed_is_left_as_it_is() -> None:
    mill = Mill(beta=2, steps=np.int64(4), rate=np.float64(0.5), bound=0)
    assert (mill.beta, mill.steps, mill.rate, mill.free) == (2, 4, 0.5, -1.0)
    assert pickle.loads(pickle.dumps(mill)) == mill
    assert hash(mill) == hash(dataclasses.replace(mill))
    assert decode(encode(Mill(beta=3.0)), Mill) == Mill(beta=3.0)
    assert list(inspect.signature(Mill).parameters)[:2] == ["beta", "steps"]


@given(st.floats())
def test_a_share_is_a_number_from_0_to_1(value: float) -> None:
    try:
        Mill(shares=(value,))
    except SteelyardError:
        assert not 0 <= value <= 1
    else:
        assert 0 <= value <= 1


def test_limits_come_before_relations_and_a_field_is_named_as_a_flag_by_default() -> None:
    @checked()
    @dataclass(frozen=True)
    class Range:
        low_end: Positive = 1.0
        high_end: Positive = 2.0

        def __post_init__(self) -> None:
            assert self.low_end < 1 / self.high_end + 5

    with pytest.raises(SteelyardError, match=r"^--high-end: is 0; use more than 0$"):
        Range(high_end=0)
    with pytest.raises(AssertionError):
        Range(low_end=9)
    assert list(limits_of(Range).words) == ["low_end", "high_end"]


def test_a_class_is_wrapped_once() -> None:
    before = Mill.__init__
    check_when_built(Mill, "other")
    assert Mill.__init__ is before


@checked("base")
@dataclass(frozen=True)
class Plain:
    """Checked, without relations of its own."""

    beta: Positive = 1.0


@dataclass(frozen=True)
class Derived(Plain):
    """Not decorated itself."""

    share: Share = 0.5


@dataclass(frozen=True)
class Related(Derived):
    """Its relations do not call those it inherits."""

    beta: PositiveOrInf = 1.0

    def __post_init__(self) -> None:
        assert self.share < self.beta


@pytest.mark.parametrize("cls", [Derived, Related])
def test_a_derived_dataclass_is_checked_too(cls: type[Derived]) -> None:
    with pytest.raises(SteelyardError, match=r"^base.beta: is 0.0; use more than 0$"):
        cls(beta=0.0)
    with pytest.raises(SteelyardError, match=r"^base.share: is 2.0; use 0 to 1$"):
        dataclasses.replace(cls(), share=2.0)


def test_a_derived_dataclass_has_its_own_limits_and_relations() -> None:
    assert Related(beta=math.inf).beta == math.inf
    with pytest.raises(SteelyardError, match="finite"):
        Derived(beta=math.inf)
    with pytest.raises(AssertionError):
        Related(beta=0.25)


def test_a_class_keeps_its_own_hook_for_derived_classes() -> None:
    seen: list[str] = []

    @checked("base")
    @dataclass(frozen=True)
    class Hooked:
        beta: Positive = 1.0

        def __init_subclass__(cls, **options: object) -> None:
            seen.append(cls.__name__)

    @dataclass(frozen=True)
    class Below(Hooked, mark=True):
        pass

    assert seen == ["Below"]
    with pytest.raises(SteelyardError, match=r"^base.beta: is -1.0"):
        Below(beta=-1.0)


def limited_modules() -> list[str]:
    """Modules of the package whose text names a bound."""
    root = Path(steelyard.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py"))}
    bound = re.compile(r"\b(Meta\(|Positive|NonNegative|Share)")
    found = [path.relative_to(root.parent) for path, text in texts.items() if bound.search(text)]
    return [".".join(path.with_suffix("").parts) for path in found]


@pytest.mark.parametrize("name", limited_modules())
def test_no_bound_of_the_package_is_only_written(name: str) -> None:
    """A dataclass with bounds in its field types carries `@method` or `@checked`, and its subclasses do too."""
    for cls in vars(importlib.import_module(name)).values():
        if inspect.isclass(cls) and cls.__module__ == name and "__dataclass_fields__" in vars(cls):
            bounded = any(isinstance(leaf, Meta) for hint in limits_of(cls).types.values() for leaf in _leaves(hint))
            assert not bounded or "__check_limits__" in vars(cls), cls
