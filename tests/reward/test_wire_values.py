"""What a row may hold reaches a worker as it was, whatever its type."""

import datetime
import decimal
import enum
import fractions
import math
import uuid

import hostile_rewards
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward import FunctionReward
from steelyard.reward.wire_values import pack, unfit, unpack

ZONES = st.timezones() | st.none()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = TEXT | st.integers() | st.dates() | st.tuples(st.integers())
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary(max_size=5)
TIMES = st.datetimes(timezones=ZONES) | st.dates() | st.times() | st.timedeltas() | st.uuids()
VALUES = st.recursive(
    PLAIN | TIMES | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


def sent(value):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(pack(value)), ext_hook=unpack)


@given(VALUES)
def test_a_value_arrives_as_it_was(value):
    arrived = sent(value)
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**30, -(10**300), 2**64 - 1, -(2**63)])
def test_an_integer_of_any_size(number):
    assert sent({"a": [number]}) == {"a": [number]}


def test_nan_infinities_sets_and_the_sign_of_zero():
    nan, inf, zero = sent([math.nan, -math.inf, -0.0])
    assert math.isnan(nan)
    assert (inf, math.copysign(1, zero)) == (-math.inf, -1.0)
    assert sent({1, (2, 3)}) == {1, (2, 3)}
    assert str(sent(decimal.Decimal("1.10"))) == "1.10"


def test_relatives_of_plain_values_become_plain():
    colour = enum.StrEnum("Colour", ["red"]).red
    assert [sent(v) for v in (np.int64(3), np.float32(0.5), np.bool_(True), np.arange(2), colour, bytearray(b"a"))] == [
        3, 0.5, True, [0, 1], "red", b"a",
    ]  # fmt: skip
    assert sent(fractions.Fraction(1, 2)) == 0.5


def test_what_cannot_be_sent_is_named_with_its_column():
    assert unfit({"a": 1, "b": object()}) == ("b", "a object cannot be sent between processes")
    assert unfit({"a": "\ud800"}) == ("a", "it holds half a character (a lone surrogate)")
    deep = []
    for _ in range(3000):
        deep = [deep]
    assert unfit({"a": 1, "b": deep}) == ("b", "it is nested too deeply")
    assert unfit({"a": 10**40, "b": [datetime.date(2020, 1, 1)], "c": uuid.UUID(int=7)}) is None


def test_a_named_reward_gets_the_columns_as_they_are(episode):
    with FunctionReward("hostile_rewards:odd_columns") as reward:
        (score,) = reward([episode("a", **hostile_rewards.ODD)])
    assert (score.value, score.error) == (1.0, None)
