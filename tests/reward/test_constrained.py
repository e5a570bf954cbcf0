import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Score, SteelyardError, decode, encode
from steelyard.reward import Constrained, ExactAnswer, FunctionReward


def length(completions, **_):
    return [float(len(c)) for c in completions]


def polite(completions, **_):
    return ["please" in c for c in completions]


def brief(completions, **_):
    return [len(c) < 20 for c in completions]


def broken(completions, **_):
    raise ValueError("no judge today")


def unsure(completions, **_):
    return [None for _ in completions]


def test_by_hand(episode):
    # 7 characters against the 5 of the baseline
    reward = Constrained(length, (polite, brief), baseline_column="known")
    (score,) = reward([episode("give it", known="abcde")])
    assert score.value == pytest.approx(1 / (1 + math.exp(-2)))
    assert score.parts == {"reward": 7.0, "baseline": 5.0, "constraint/polite": 0.0, "constraint/brief": 1.0}


def test_without_judges_and_baseline_it_is_the_reward(episode):
    episodes = [episode("#### 4", answer="4"), episode("#### 5", answer="4")]
    assert Constrained()(episodes) == ExactAnswer()(episodes)
    assert Constrained(length)(episodes) == FunctionReward(length)(episodes)
    assert Constrained(length)([]) == []


def test_bits_stay_out_of_the_value(episode):
    plain, judged = Constrained(length), Constrained(length, (polite, brief))
    for completion in ("no", "please", "please, " * 9):
        assert judged([episode(completion)])[0].value == plain([episode(completion)])[0].value


def test_any_reward_can_judge_and_is_named_by_its_id(episode):
    (score,) = Constrained(length, (ExactAnswer(), FunctionReward(brief)))([episode("#### 4", answer="4")])
    assert score.parts == {"constraint/exact-answer": 1.0, "constraint/brief": 1.0}
    assert (
        Constrained(length, (ExactAnswer(),))([episode("#### 5", answer="4")])[0].parts["constraint/exact-answer"] == 0
    )


def test_a_judge_in_a_worker_is_named_by_its_function(episode):
    with Constrained(length, (f"{__file__}:polite",)) as reward:
        (score,) = reward([episode("please")])
    assert score == Score(6.0, {"constraint/polite": 1.0}, labels={"passes": True})


@pytest.mark.parametrize("fault", [broken, unsure])
def test_a_judge_or_reward_that_fails_gives_no_score_and_says_so(episode, fault):
    for reward in (Constrained(length, (polite, fault)), Constrained(fault, (polite,))):
        (score,) = reward([episode("please")])
        assert score.value is None
        assert fault.__name__ in score.error
    (score,) = Constrained(fault, baseline_column="known")([episode("please", known="a")])
    assert score.value is None and score.error


def test_prompts_are_calibrated_by_their_own_baseline(episode):
    one, other = episode("abc", known="abc"), episode("abc", known="a")
    other = replace(other, prompt=replace(other.prompt, id="q"))
    values = [s.value for s in Constrained(length, baseline_column="known")([one, other, one])]
    assert values == pytest.approx([0.5, 1 / (1 + math.exp(-2)), 0.5])


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_calibrated_rewards_keep_the_order_and_stay_between_0_and_1(more, known):
    from reward.conftest import make_episode

    reward = Constrained(length, baseline_column="known")
    low, high = (reward([make_episode("a" * n, known="b" * known)])[0].value for n in (more, more + 1))
    assert 0 <= low <= high <= 1
    assert (low < 0.5) == (more < known)


def test_a_missing_baseline_and_judges_of_one_name_are_refused(episode):
    with pytest.raises(SteelyardError, match="no baseline response"):
        Constrained(length, baseline_column="known")([episode("a", knwon="b")])
    with pytest.raises(SteelyardError, match="two are named 'polite'"):
        Constrained(length, (polite, FunctionReward(polite)))


def test_settings_with_named_judges_travel():
    reward = Constrained(ExactAnswer(marker="="), ("my.rules:polite", "my.rules:brief"), "known")
    assert decode(encode(reward)) == reward
