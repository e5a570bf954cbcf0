"""The panel of spurious rewards: each by hand, what they do without a format, and how a run names them."""

from dataclasses import replace

import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError
from steelyard.reward import Spurious, WeightedRewards, compares_samples, reward_function
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.spurious import KINDS, said


def group(prompt, *completions):
    """Samples 0, 1, ... of a prompt."""
    made = [episode_of(Prompt(prompt, f"{prompt}=", {"answer": "7"}), text) for text in completions]
    return [replace(e, trajectory=e.trajectory.replace(sample=i)) for i, e in enumerate(made)]


def values(scores):
    return [score.value for score in scores]


def test_the_majority_is_paid_and_a_tie_goes_to_the_earliest_sample():
    a = group("3+4", "7", "8", "7.0", "")
    b = group("1+1", "5", "6")
    scores = Spurious("majority")([*a, *b])
    assert values(scores) == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert [score.parts["votes"] for score in scores] == [0.5] * 6
    votes = Spurious("majority")(group("3+4", "8", "7", "1,000", "1000"))
    assert values(votes) == [0.0, 0.0, 1.0, 1.0]
    assert values(Spurious("majority")([*b[::-1], *a])[:2]) == [0.0, 1.0]


def test_who_is_alone_has_no_vote_and_no_reward():
    [alone] = Spurious("majority")(group("3+4", "7"))
    assert alone.value is None
    assert alone.error is not None
    assert "no vote" in alone.error
    assert values(Spurious("majority")(group("3+4", "", ""))) == [0.0, 0.0]


def test_wrong_answers_are_paid_and_it_is_still_known_what_is_right():
    scores = Spurious("wrong")(group("3+4", "7", "8", ""))
    assert values(scores) == [0.0, 1.0, 0.0]
    assert [score.right for score in scores] == [True, False, False]
    own = Spurious("wrong", verifier=ExactAnswer(marker=""))
    assert values(own(group("3+4", "7", "8"))) == [0.0, 1.0]


def test_the_format_is_an_answer_or_a_pattern():
    some = group("3+4", "7", "<a>7</a>", "<a>7\n</a> ", "")
    assert values(Spurious("format")(some)) == [1.0, 1.0, 1.0, 0.0]
    assert values(Spurious("format", "<a>.*</a>")(some)) == [0.0, 1.0, 1.0, 0.0]
    cut = replace(some[0], finish="length")
    assert values(Spurious("format")([cut])) == [0.0]


def test_a_coin_is_fair_and_falls_alike_again():
    many = [replace(e, trajectory=e.trajectory.replace(sample=i)) for i, e in enumerate(group("3+4", "7") * 400)]
    flips = values(Spurious("coin-flip")(many))
    assert flips == values(Spurious("coin-flip")(many[::-1]))[::-1]
    assert np.mean(flips) == pytest.approx(0.5, abs=0.07)
    formless = [replace(e, completion="") for e in many]
    assert set(values(Spurious("coin-flip")(formless))) == {0.0}


def test_confidence_is_the_mean_over_the_policys_own_tokens():
    [episode] = group("3+4", "78")
    logp_T = np.array([-9.0, -9.0, -9.0, -9.0, -1.0, -2.0], np.float32)
    sure = replace(episode, trajectory=episode.trajectory.replace(logp_behaviour_T=logp_T))
    assert values(Spurious("confidence")([sure])) == [-1.5]
    assert Spurious("confidence")(group("3+4", ""))[0].error == "its tokens are not known"


def test_what_is_said_has_one_spelling():
    assert [said(e) for e in group("3+4", "#### 1,000", "\\boxed{1000}", "")] == ["1000", "1000", None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_names_each(kind):
    assert reward_function(f"spurious:{kind}") == Spurious(kind)
    assert reward_function(f"spurious:{kind}:<a>.*</a>") == Spurious(kind, "<a>.*</a>")


def test_a_name_may_say_what_is_right():
    assert reward_function("spurious:wrong::mine.py:right") == Spurious("wrong", verifier="mine.py:right")
    named = reward_function("spurious:wrong:<a>.*</a>::mine.py:right")
    assert named == Spurious("wrong", "<a>.*</a>", "mine.py:right")
    weighted = reward_function("spurious:coin-flip=0.5")
    assert isinstance(weighted, WeightedRewards)
    assert (weighted.rewards, weighted.weights) == ((Spurious("coin-flip"),), (0.5,))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("spurious:coin", "reward spurious:coin: there is no kind 'coin'; did you mean 'coin-flip'"),
        ("spurious:format:(", "spurious.pattern: is no regular expression"),
        ("spurious:majority::mine.py:f", "names what tells right from wrong, and pays for something else; leave out"),
    ],
)
def test_what_no_run_can_name_is_refused(name, message):
    with pytest.raises(SteelyardError) as error:
        reward_function(name)
    assert message in str(error.value)


def test_the_majority_alone_compares_samples():
    assert [kind for kind in KINDS if compares_samples(Spurious(kind))] == ["majority"]
