import dataclasses
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steelyard.core import Sampling, Trajectory, from_bytes, to_bytes

floats32 = st.floats(width=32, allow_nan=True)
numbers = st.floats(allow_nan=False)
plain = st.dictionaries(st.text(), st.one_of(st.integers(-(2**60), 2**60), numbers, st.text(), st.none()), max_size=3)


@st.composite
def trajectories(draw):
    T = draw(st.integers(0, 20))

    def row(dtype, elements):
        return draw(arrays.arrays(dtype, T, elements=elements))

    return Trajectory(
        prompt_id=draw(st.text()),
        tokens_T=row(np.int32, st.integers(-(2**31), 2**31 - 1)),
        action_T=row(np.bool_, st.booleans()),
        logp_behaviour_T=row(np.float32, floats32),
        version=draw(st.integers(0, 2**40)),
        digest=draw(st.text("0123456789abcdef", min_size=16, max_size=16)),
        sampling=Sampling(
            draw(numbers),
            draw(st.integers(1, 99)),
            draw(st.floats(0, 1)),
            draw(st.integers(0, 9)),
            stop=draw(st.lists(st.text(min_size=1), max_size=2).map(tuple)),
        ),
        finish=draw(st.sampled_from(["stop", "length", "error"])),
        sample=draw(st.integers(0, 2**40)),
        logp_ref_T=draw(st.none() | st.just(row(np.float32, floats32))),
        ref_version=draw(st.integers(0, 2**40)),
        reward=draw(st.none() | numbers),
        reward_parts=draw(st.dictionaries(st.text(), numbers, max_size=3)),
        info=draw(plain),
        version_T=draw(st.none() | st.just(row(np.int32, st.integers(0, 2**31 - 1)))),
        reward_T=draw(st.none() | st.just(row(np.float32, floats32))),
    )


def trajectory(**changes):
    T = 3
    base = Trajectory("p", np.arange(T, dtype=np.int32), np.array([False, True, True]), np.zeros(T, np.float32), 4,
                      "d" * 16, Sampling(), "stop", reward=1.0)  # fmt: skip
    return base.replace(**changes)


@given(trajectories())
def test_bytes_round_trip(one):
    two = from_bytes(to_bytes(one))
    for name in ("tokens_T", "action_T", "logp_behaviour_T", "logp_ref_T", "version_T", "reward_T"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes()
    nothing = np.zeros(0, np.float32)
    cleared = {"tokens_T": nothing.astype(np.int32), "action_T": nothing.astype(bool), "logp_behaviour_T": nothing}
    cleared |= {"logp_ref_T": None, "version_T": None, "reward_T": None}
    assert str(one.replace(**cleared)) == str(two.replace(**cleared))
    assert to_bytes(two) == to_bytes(two.replace()) == to_bytes(one)


def test_what_was_read_passes_on_as_it_came_and_a_changed_copy_does_not():
    data = to_bytes(trajectory())
    read = from_bytes(data)
    assert to_bytes(read) is data
    assert from_bytes(to_bytes(read.replace(reward=0.5))).reward == 0.5
    assert from_bytes(to_bytes(read.replace(info={"a": 1}))).info == {"a": 1}


@given(trajectories())
def test_a_changed_copy_is_what_dataclasses_make_of_it(one):
    kept = to_bytes(one)
    found = one.replace(reward=2.5, sample=7)
    assert to_bytes(found) == to_bytes(dataclasses.replace(one, reward=2.5, sample=7))
    assert to_bytes(one) == kept


def test_a_field_that_there_is_not_is_not_changed():
    one = Trajectory("p", np.zeros(1, np.int32), np.ones(1, bool), np.zeros(1, np.float32), 0, "d", Sampling(), "stop")
    with pytest.raises(TypeError, match="a trajectory has no rewards"):
        one.replace(rewards=1.0)


def test_one_version_leaves_the_bytes_as_they_were_and_such_bytes_are_read():
    """Buffers from before versions of single tokens open, and their rows are named by the same bytes."""
    assert len(msgspec.msgpack.decode(to_bytes(trajectory()))) == 14
    assert from_bytes(to_bytes(trajectory())).version_T is None
    mixed = trajectory(version_T=np.array([4, 4, 5], np.int32))
    assert len(msgspec.msgpack.decode(to_bytes(mixed))) == 15
    assert from_bytes(to_bytes(mixed)).version_T.tolist() == [4, 4, 5]


def test_an_absent_reward_stays_absent():
    assert from_bytes(to_bytes(trajectory(reward=None))).reward is None
    assert from_bytes(to_bytes(trajectory(reward=0.0))).reward == 0.0


@pytest.mark.parametrize(
    ("reward", "valid"), [(None, False), (math.nan, False), (math.inf, False), (0.0, True), (-3.0, True)]
)
def test_valid_means_a_finite_reward(reward, valid):
    assert trajectory(reward=reward).valid is valid


def test_the_completion_is_what_the_policy_chose():
    assert trajectory().completion_T.tolist() == [1, 2]


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", msgspec.msgpack.encode({"prompt_id": "p"}), to_bytes(trajectory())[:-3]]
)
def test_other_bytes_are_refused(data):
    with pytest.raises(msgspec.DecodeError):
        from_bytes(data)


def test_bytes_are_small():
    """13 bytes a token and a little: what a buffer of millions costs."""
    T = 1000
    long = Trajectory("p", np.zeros(T, np.int32), np.ones(T, bool), np.zeros(T, np.float32), 0, "d" * 16, Sampling(),
                      "stop", logp_ref_T=np.zeros(T, np.float32))  # fmt: skip
    assert len(to_bytes(long)) < 13 * T


@pytest.mark.parametrize(
    ("sampling", "full"),
    [
        (Sampling(), True),
        (Sampling(temperature=math.inf), True),
        (Sampling(temperature=0.0), False),
        (Sampling(top_p=0.9), False),
        (Sampling(top_k=5), False),
        (Sampling(rule="cntp"), False),
        (Sampling(stop=("end",)), True),
    ],
)
def test_full_support(sampling, full):
    assert sampling.full_support is full


def test_rewards_of_steps_cross_the_wire_and_leave_other_bytes_as_they_were():
    back = from_bytes(to_bytes(trajectory(reward_T=np.array([0, 1, -1], np.float32))))
    assert back.reward_T.tolist() == [0, 1, -1]
    assert back.version_T is None
    assert to_bytes(back.replace(reward_T=None)) == to_bytes(trajectory())


def test_labels_cross_the_wire_typed_and_leave_other_bytes_as_they_were():
    labels = {"retain": True, "domain": 3, "difficulty": 1.0, "right": (True, False, 0.5)}
    back = from_bytes(to_bytes(trajectory(labels=labels))).labels
    assert back == labels
    assert [type(value) for value in back.values()] == [bool, int, float, tuple]
    assert to_bytes(trajectory(labels=labels).replace(labels={})) == to_bytes(trajectory())


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({}, {}),
        ({"info": {"domain": 4, "retain": False, "completion": "x"}}, {"domain": 4, "retain": False}),
        ({"info": {"demonstration": True}}, {"demonstration": True}),
        ({"reward_parts": {"constraint/short": 1.0, "length": 0.0}}, {"passes": True}),
        ({"reward_parts": {"constraint/short": 1.0, "constraint/true": 0.0}}, {"passes": False}),
        ({"reward_parts": {"length": 0.0}}, {}),
    ],
)
def test_rows_from_before_there_were_labels_get_them_when_they_are_read(fields, labels):
    written = to_bytes(trajectory(**fields))
    assert from_bytes(written).labels == labels
    assert to_bytes(from_bytes(written)) == written


def test_a_decode_rule_crosses_the_wire_and_leaves_other_bytes_as_they_were():
    marked = trajectory(sampling=Sampling(1.2, 9, 0.9, 3, rule="cntp"))
    assert from_bytes(to_bytes(marked)).sampling == marked.sampling
    assert len(msgspec.msgpack.decode(to_bytes(marked))) == 17
    assert to_bytes(marked.replace(sampling=Sampling())) == to_bytes(trajectory())
    steps = marked.replace(reward_T=np.array([0, 1, -1], np.float32))
    assert from_bytes(to_bytes(steps)).reward_T.tolist() == [0, 1, -1]
