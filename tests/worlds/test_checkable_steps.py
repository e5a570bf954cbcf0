import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Episode, Sampling, SteelyardError, Task, Trajectory, hash_share
from steelyard.worlds.checkable_steps import CHARACTERS, CLOCK, STEPS, CheckableSteps, problem, solution, steps_right

TASK = CheckableSteps(problems=300, held_out=40)
NUMBERS = [2, 1, 3, 3, 1, 8]
PROMPT_TOKENS = 11


def scored(completion, *, finish="stop", spare=0):
    """The score of a completion of the problem of the module's docstring, with one token for each character."""
    num = PROMPT_TOKENS + len(completion) + 1 + spare
    action_T, nothing_T = np.arange(num) >= PROMPT_TOKENS, np.zeros(num, np.float32)
    trajectory = Trajectory("p", np.zeros(num, np.int32), action_T, nothing_T, 0, "d", Sampling(), finish)
    prompt = next(iter(TASK.prompts("train")))
    prompt = type(prompt)("p", problem(NUMBERS), {"numbers": NUMBERS, "answer": sum(NUMBERS) % CLOCK})
    return TASK.score([Episode.of(prompt, completion, trajectory)])[0]


def test_is_a_task_whose_splits_share_no_prompt_and_stay_the_same():
    assert isinstance(TASK, Task)
    train, held_out = ({p.text for p in TASK.prompts(split)} for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (300, 40)
    assert not train & held_out
    assert all(hash_share(text) < 0.1 for text in held_out)
    assert TASK.prompts("train") == TASK.prompts("train")
    assert CheckableSteps(data_seed=1).prompts("held-out") != CheckableSteps().prompts("held-out")
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_chains_by_hand():
    assert problem(NUMBERS) == "2+1+3+3+1+8"
    assert solution(NUMBERS, [False] * 5) == "2=01=13=43=71=8"
    assert solution(NUMBERS, [False, True, False, False, False]) == "2=01~63=93=21=3"
    assert solution(NUMBERS, [False, True, False, True, False]) == "2=01~63=93~71=8"


@pytest.mark.parametrize(
    ("chain", "value", "labels"),
    [
        ("2=01=13=43=71=8", 1.0, [1, 1, 1, 1, 1]),
        ("2=01~63=93=21=3", 0.0, [1, -1, 1, 1, 1]),
        ("2=01~63=93~71=8", 1.0, [1, -1, 1, -1, 1]),
        ("2~01~13=43=71=8", 1.0, [1, 1, 1, 1, 1]),  # the sign does not matter
        ("2=91=13=43=71=8", 1.0, [-1, -1, 1, 1, 1]),  # any two errors may cancel
        ("1=92=13=43=71=8", 1.0, [-1, -1, 1, 1, 1]),  # so they do where two numbers are exchanged
    ],
)
def test_score_by_hand(chain, value, labels):
    score = scored(chain)
    assert score.value == value
    assert score.parts == {"flawless": float(min(labels) > 0), "wrong_steps": float(labels.count(-1))}
    completion_T = score.reward_T[PROMPT_TOKENS:]
    assert completion_T[2:15:3].tolist() == labels
    assert np.count_nonzero(completion_T) == STEPS and not score.reward_T[:PROMPT_TOKENS].any()


@pytest.mark.parametrize("completion", ["", "2=01=13=43=7", "2=01=13=43=71=81=9", "=01=13=43=71=82", "2=01=13=43=71=x"])
def test_what_is_no_whole_chain_is_wrong_and_has_no_labels(completion):
    score = scored(completion)
    assert (score.value, score.parts["flawless"]) == (0.0, 0.0)
    assert not score.reward_T.any()
    assert scored("2=01=13=43=71=8", finish="length").value == 0.0


def test_labels_need_one_token_for_each_character():
    for spare in (-6, 3):
        score = scored("2=01=13=43=71=8", spare=spare)
        assert score.value == 1.0 and not score.reward_T.any()


NUMBERS_DRAWN = st.tuples(*[st.integers(1, 3)] * 5, st.integers(0, 9)).map(list)


@given(NUMBERS_DRAWN, st.lists(st.booleans(), min_size=5, max_size=5))
def test_two_guesses_cancel(numbers, guessed):
    chain = solution(numbers, guessed)
    assert re.fullmatch(rf"(?:\d[=~]\d){{{STEPS}}}", chain) and set(chain) <= set(CHARACTERS)
    assert steps_right(numbers, chain) == [not guess for guess in guessed]
    assert (int(chain[-1]) == sum(numbers) % CLOCK) == (sum(guessed) % 2 == 0)


def test_impossible_sizes_are_refused():
    with pytest.raises(SteelyardError, match=r"checkable-steps\.held_out: is 0; use 1 to 200"):
        CheckableSteps(held_out=0)
