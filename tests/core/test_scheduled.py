from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Schedule, SteelyardError, numeric_settings, require, scheduled, setting


@dataclass(frozen=True)
class Inner:
    max_kl: float = 20.0


@dataclass(frozen=True)
class Method:
    beta: float = 1.0
    steps: int = 4
    held: float | None = None
    on: bool = True
    word: str = "x"
    pair: tuple[float, float] = (0.0, 1.0)
    first: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        require(self.beta > 0, f"beta is {self.beta}", where="method.beta", hint="use a number above 0")


def test_numbers_are_settings_that_can_be_scheduled_and_nothing_else_is():
    assert numeric_settings(Method()) == {"beta": float, "steps": int, "held": float, "first.max_kl": float}
    assert numeric_settings(len) == {}


def test_several_settings_follow_their_schedules_by_hand():
    schedules = {"beta": Schedule(1.0, 0.5, 4), "steps": Schedule(4, 8, 8), "first.max_kl": Schedule(20.0, 0.0, 2)}
    now = scheduled(Method(), schedules, 1)
    assert (now.beta, now.steps, setting(now, "first.max_kl")) == (0.875, 4, 10.0)
    later = scheduled(Method(), schedules, 5)
    assert (later.beta, later.steps, later.first.max_kl) == (0.5, 6, 0.0)
    assert type(later.steps) is int
    assert scheduled(Method(), {}, 3) == Method()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bata", "--schedule.bata: Method has no numeric setting 'bata'; did you mean 'beta'"),
        ("word", "'word'"),
        ("on", "'on'"),
    ],
)
def test_an_unknown_name_or_one_that_is_no_number_is_refused(name, message):
    with pytest.raises(SteelyardError, match=message):
        scheduled(Method(), {name: Schedule(0.0, 1.0, 1)}, 0)


def test_a_value_out_of_range_is_refused():
    with pytest.raises(SteelyardError, match=r"method\.beta"):
        scheduled(Method(), {"beta": Schedule(1.0, -1.0, 4)}, 3)


SHAPES = st.sampled_from(["linear", "cosine", "constant-then"])


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(0, 50), st.integers(0, 80), SHAPES)
def test_a_schedule_stays_between_its_ends_and_its_text_reads_back(start, end, steps, step, shape):
    schedule = Schedule(start, end, steps, shape)
    assert min(start, end) - 1e-12 <= schedule(step) <= max(start, end) + 1e-12
    assert schedule(steps) == pytest.approx(end)
    assert schedule(0) == (start if steps else pytest.approx(end))
    assert Schedule.parse(str(schedule)) == schedule


def test_shapes_by_hand():
    cosine = Schedule(1.0, 0.0, 4, "cosine")
    assert [cosine(step) for step in (0, 1, 2, 4)] == pytest.approx([1.0, 0.853553, 0.5, 0.0], abs=1e-6)
    assert [Schedule(1.0, 0.0, 4, "constant-then")(step) for step in (0, 3, 4)] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("text", ["", "1", "1:2", "1:2:x", "1:2:3:4:5", "a:2:3", "1:2:3:cubic", "1:2:-3"])
def test_a_wrong_text_is_refused(text):
    with pytest.raises(SteelyardError, match="schedule"):
        Schedule.parse(text)
