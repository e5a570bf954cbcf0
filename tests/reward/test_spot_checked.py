"""A cheap reward that a costly one corrects: by hand, without bias, and as a name."""

import numpy as np
import pytest

from steelyard.check.scoring import episode_of, scores_alone, scores_each, scores_finite
from steelyard.core import Prompt, Score, SteelyardError
from steelyard.reward import ExactAnswer, Spurious, compares_samples, reward_function
from steelyard.reward.spot_checked import CHECKED, SpotChecked


class Says:
    """A reward by length, and how many completions it was asked about."""

    def __init__(self, name, times):
        self.__name__ = name
        self.times = times
        self.asked = 0

    def __call__(self, episodes):
        self.asked += len(episodes)
        return [Score(self.times * len(e.completion)) if e.completion else Score(None, error="empty") for e in episodes]


@pytest.fixture(scope="module")
def episodes():
    return [episode_of(Prompt(f"{n}", f"{n}+"), "1" * (1 + n % 3)) for n in range(2000)]


def test_by_hand_and_without_bias(episodes):
    cheap, costly = Says("judge", 3.0), Says("verifier", 1.0)
    scores = SpotChecked(0.25, cheap, costly)(episodes)
    for score, episode in zip(scores, episodes, strict=True):
        w, s = 3.0 * len(episode.completion), 1.0 * len(episode.completion)
        asked = score.parts[CHECKED]
        assert score.value == w + (s - w) / 0.25 if asked else score.value == w
        assert score.parts["judge"] == w and score.parts.get("verifier", s) == s
    assert costly.asked == sum(score.parts[CHECKED] for score in scores)
    error_N = np.array([score.value - len(e.completion) for score, e in zip(scores, episodes, strict=True)])
    assert abs(error_N.mean()) < 4 * error_N.std() / len(error_N) ** 0.5
    assert costly.asked == pytest.approx(500, abs=80)


def test_checked_always_it_is_the_costly_reward(episodes):
    few = episodes[:6]
    found = SpotChecked(1.0, Says("judge", 3.0), Says("verifier", 1.0))(few)
    assert [score.value for score in found] == [len(e.completion) for e in few]


@pytest.mark.parametrize("check", [scores_each, scores_finite, scores_alone])
def test_it_keeps_the_rules_of_rewards(check):
    check(SpotChecked(0.5, Says("judge", 3.0), Says("verifier", 1.0)))


def test_what_fails_gives_no_reward():
    empty = episode_of(Prompt("p", "1+"), "")
    costly = Says("verifier", 1.0)
    assert SpotChecked(0.01, Says("judge", 1.0), costly)([empty])[0].error == "empty"
    assert costly.asked == 1, "so that a name which is wrong is found out before a run begins"
    assert SpotChecked(0.5, Says("judge", 1.0), Says("verifier", 1.0))([]) == []


def test_a_vote_may_be_cheap_and_not_costly():
    vote = Spurious("majority")
    assert compares_samples(SpotChecked(0.5, vote, ExactAnswer()))
    assert not compares_samples(SpotChecked(0.5, ExactAnswer(), ExactAnswer()))
    with pytest.raises(SteelyardError, match="compares the samples of a prompt, and would see a few of them; take a"):
        SpotChecked(0.5, ExactAnswer(), vote)


def test_as_a_name(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "def cheap(prompts, completions, **c):\n    return [1.0 for _ in completions]\n"
        "def right(prompts, completions, **c):\n    return [float('2' in x) for x in completions]\n"
    )
    few = [episode_of(Prompt("p", "1+1="), said) for said in ("2", "3")]
    with reward_function(f"wl-ac:1.0,{file}:cheap,{file}:right") as reward:
        assert [score.value for score in reward(few)] == [1.0, 0.0]
    weighed = reward_function([f"wl-ac:1.0,{file}:cheap,{file}:right=0.5"])
    assert [score.value for score in weighed(few)] == [0.5, 0.0]
    weighed.close()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("wl-ac:0.1,m:f", "has 2 parts between commas; write wl-ac:0.1,CHEAP,COSTLY"),
        ("wl-ac:half,m:f,m:g", "'half' is no share"),
        ("wl-ac:0,m:f,m:g", "wl-ac.share: is 0.0; use 1 or less, more than 0"),
        ("wl-ac:0.1,m:f g,m:g", "it names no function"),
    ],
)
def test_names_that_say_too_little_are_refused(name, what):
    with pytest.raises(SteelyardError, match=what):
        reward_function(name)
