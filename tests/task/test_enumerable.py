import numpy as np
import pytest

from steelyard.core import SteelyardError, Task
from steelyard.task import Enumerable
from steelyard.task.enumerable import PROMPTS, tunes

TASK = Enumerable()


def test_is_a_task_whose_splits_are_the_same_prompts():
    assert isinstance(TASK, Task)
    assert [p.text for p in TASK.prompts("train")] == list(PROMPTS)
    assert TASK.prompts("train") == TASK.prompts("held-out")
    assert len({p.id for p in TASK.prompts("train")}) == len(PROMPTS)
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_tunes_by_hand():
    assert tunes("be") == ("beb", "eee", "bcd")
    assert tunes("hd") == ("hdh", "ddd", "hij")
    assert tunes("ja") == ("jaj", "aaa", "jab")  # a follows j


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("beb", 1.0), ("eee", 0.9), ("bcd", 0.8),  # the modes
        ("bea", 2 / 3), ("eea", 0.6), ("acd", 1.6 / 3),  # a letter away from one
        ("bee", 2 / 3),  # two letters of the alternation, or two of the drone
        ("bad", 1.6 / 3), ("jjj", 0.0),
    ],
)  # fmt: skip
def test_score_by_hand(answered, completion, reward):
    prompt = TASK.prompts("train")[0]
    (score,) = TASK.score([answered(prompt, completion)])
    assert score.value == pytest.approx(reward) and score.error is None


def test_a_completion_of_another_length_is_an_error_and_no_reward(answered):
    prompt = TASK.prompts("train")[0]
    scores = TASK.score([answered(prompt, text) for text in ("be", "beb", "bebe")])
    assert [s.value for s in scores] == [None, 1.0, None]
    assert scores[0].error == "2 letters instead of 3: set --max-completion-length 3"


def test_rewards_are_the_scores_of_the_listed_completions(answered):
    completions = TASK.completions()
    assert len(completions) == len(set(completions)) == 1000
    assert completions[:2] == ["aaa", "aab"] and completions[-1] == "jjj"
    for prompt in TASK.prompts("train"):
        scores = TASK.score([answered(prompt, c) for c in completions])
        np.testing.assert_array_equal(TASK.rewards(prompt), [s.value for s in scores])


@pytest.mark.parametrize("prompt", TASK.prompts("train"), ids=lambda p: p.text)
def test_three_modes_of_different_height_and_graded_credit(prompt):
    """The tunes, and nothing else, are better than all that is one letter away from them."""
    reward = dict(zip(TASK.completions(), TASK.rewards(prompt), strict=True))

    def neighbours(text):
        return [text[:i] + letter + text[i + 1 :] for i in range(3) for letter in "abcdefghij" if letter != text[i]]

    peaks = {text: r for text, r in reward.items() if r > max(reward[n] for n in neighbours(text))}
    assert peaks == pytest.approx(dict(zip(tunes(str(prompt.text)), (1.0, 0.9, 0.8), strict=True)))
    assert len(set(np.round(list(reward.values()), 6))) == 10
    assert min(reward.values()) == 0.0
