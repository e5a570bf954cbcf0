"""Several rewards: their sum, their columns, and what is refused."""

import math
from decimal import Decimal
from fractions import Fraction

import hostile_rewards
import numpy as np
import pytest
import torch

from steelyard.core import Score, SteelyardError
from steelyard.reward import (
    EnvironmentReward,
    ExactAnswer,
    FunctionReward,
    WeightedRewards,
    named_rewards,
    reward_function,
)
from steelyard.reward.score import number_of


def length(prompts, completions, **columns):
    return [float(len(c)) for c in completions]


def length_of_episodes(episodes):
    return [Score(float(len(e.completion))) for e in episodes]


def picky(prompts, completions, **columns):
    return [None if c == "bad" else 2.0 for c in completions]


@pytest.mark.parametrize("given", [[length, (picky, 0.5)], (length, (picky, 0.5))], ids=["list", "tuple"])
def test_a_weighted_sum_with_a_column_for_each(episode, given):
    good, bad = reward_function(given)([episode("abc"), episode("bad")])
    assert (good.value, good.parts) == (4.0, {"length": 3.0, "picky": 2.0})
    assert (bad.value, bad.parts) == (None, {"length": 3.0})
    assert bad.error == "reward 'picky': it gave None for this completion"


def test_weights_of_names_and_of_pairs():
    assert named_rewards("m:f") == ("m:f",)
    assert named_rewards(["m:f", "m:g=0.5", ("dir/x.py:h=2", -0.5)]) == ("m:f", "m:g=0.5", "dir/x.py:h=-1.0")
    assert named_rewards(["m:f", length]) is None
    both = reward_function(["m:f=0.5", "m:f"], timeout_s=3.0)
    assert both == WeightedRewards((EnvironmentReward("m:f", 3.0), EnvironmentReward("m:f", 3.0)), (0.5, 1.0))
    assert both.names == ("f", "f-2")


def test_verifiers_among_them(episode):
    (score,) = reward_function([ExactAnswer(), (length, 0.0)])([episode("#### 7", answer="7")])
    assert (score.value, score.parts["exact-answer"], score.parts["length"]) == (1.0, 1.0, 6.0)


def test_steps_labels_and_the_reading_of_the_parts_go_on(episode):
    def judged(episodes):
        return [Score(1.0, {"own": 3.0}, None, np.ones(1, np.float32), {"passes": True}, "7", "box") for _ in episodes]

    (score,) = reward_function([length, (judged, 2.0)])([episode("abc")])
    assert score.value == 5.0
    assert score.parts == {"length": 3.0, "judged": 1.0, "own": 3.0}
    assert (score.reward_T.tolist(), score.labels, score.read, score.read_from) == ([2.0], {"passes": True}, "7", "box")


def test_rewards_of_parts_are_summed_by_their_ends(episode):
    def marked(*parts):
        return lambda episodes: [Score(1.0, part_rewards=parts) for _ in episodes]

    first, second = marked((1, 1.0), (3, 1.0), (None, 1.0)), marked((2, 1.0), (3, -2.0), (None, 1.0))
    (score,) = WeightedRewards((first, second, length_of_episodes), (2.0, 1.0, 1.0))([episode("abc")])
    assert score.part_rewards == ((1, 2.0), (2, 1.0), (None, 3.0)), "those that cancel out are none"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"f": length}, "is no reward"),
        (5, "5 is no reward"),
        (0, "0 is no reward"),
        (False, "False is no reward"),
        (object(), "is no reward"),
        (ExactAnswer, "the class ExactAnswer is no reward"),
        ([], "the list is empty"),
        ((), "the tuple is empty"),
        ({length}, "is no reward"),
        ([length, 5], "5 is no reward"),
        ([length, None], "None is no reward"),
        ([[length]], "is no reward"),
        ((length, 0.5), "0.5 is no reward"),
        ([(length,)], "a tuple of 1 is no pair"),
        ([(length, 1.0, 2.0)], "a tuple of 3 is no pair"),
        ([(length, "1")], "the weight '1' is no finite number"),
        ([(length, math.nan)], "the weight nan is no finite number"),
        ([(length, True)], "the weight True is no finite number"),
        ("m:f=x", "'x' is no weight"),
        ("m:f=", "'' is no weight"),
        ("m:f=inf", "the weight inf is no finite number"),
        (["nothing"], "names no function"),
        (b"m:f", "is no reward"),
    ],
)
def test_anything_else_is_refused_in_one_line(given, says):
    with pytest.raises(SteelyardError, match=says) as caught:
        reward_function(given)
    assert "\n" not in str(caught.value)
    with pytest.raises(SteelyardError, match=says):
        named_rewards(given)


NUMBERS = [
    (True, 1.0), (np.bool_(True), 1.0), (np.bool_(False), 0.0), (np.float32(0.5), 0.5), (np.int64(3), 3.0),
    (np.array(2.5), 2.5), (np.array(True), 1.0), (torch.tensor(1.5), 1.5), (torch.tensor(True), 1.0),
    (Decimal("0.5"), 0.5), (Fraction(1, 4), 0.25), (10**400, math.inf), (Decimal("1e400"), math.inf),
]  # fmt: skip


@pytest.mark.parametrize(("value", "number"), NUMBERS, ids=[repr(v)[:20] for v, _ in NUMBERS])
def test_what_is_a_number(value, number):
    assert number_of(value) == number


@pytest.mark.parametrize("value", ["1", None, [1.0], np.array([1.0]), 1j, object(), b"1"])
def test_what_is_none(value):
    assert number_of(value) is None


@pytest.mark.parametrize("named", [False, True], ids=["callable", "named"])
@pytest.mark.parametrize("name", ["numpy_booleans", "numpy_array", "numpy_scalars_of_no_dimension"])
def test_booleans_and_arrays_of_numpy(episode, named, name):
    function = f"hostile_rewards:{name}" if named else getattr(hostile_rewards, name)
    with FunctionReward(function) as reward:
        assert [s.value for s in reward([episode("a"), episode("b")])] == [1.0, 0.0]


@pytest.mark.parametrize("named", [False, True], ids=["callable", "named"])
def test_a_function_with_a_parameter_for_it_is_told_how_completions_ended(episode, named):
    function = "hostile_rewards:ends" if named else hostile_rewards.ends
    with FunctionReward(function) as reward:
        assert [s.value for s in reward([episode("a")])] == [1.0]
        assert [s.value for s in reward([episode("a", finish="mine")])] == [0.0]  # a column of the data comes first


def test_a_message_names_the_function_the_row_and_the_column(episode):
    with FunctionReward("hostile_rewards:answers") as reward:
        with pytest.raises(SteelyardError, match="column 'when', row 1 of the batch") as caught:
            reward([episode("a", answer="a"), episode("a", answer="a", when=object())])
        assert "hostile_rewards:answers" in str(caught.value)
    with pytest.raises(SteelyardError, match=r"reward 'strings': its reward 0 is a str.*'a' of the prompt 'q'"):
        FunctionReward(hostile_rewards.strings)([episode("a")])
