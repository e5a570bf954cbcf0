import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Task, Trajectory, hash_share
from steelyard.worlds.scratchpad import CHARACTERS, HIDDEN, TERMS, Scratchpad, problem, written

TASK = Scratchpad(problems=200, held_out=40)
NUMBERS = [0, 1, 0, 3, 0, 8]


def scored(completion, numbers=NUMBERS, finish="stop", answers=None):
    """The score of a completion of a problem, an easy one unless it has other answers."""
    nothing_T = np.zeros(2, np.float32)
    trajectory = Trajectory("p", np.zeros(2, np.int32), nothing_T == 0, nothing_T, 0, "d", Sampling(), finish)
    columns = {"answers": answers or [sum(numbers) % 10], "easy": answers is None}
    return TASK.score([Episode.of(Prompt("p", problem(numbers), columns), completion, trajectory)])[0]


def test_is_a_task_whose_splits_share_no_prompt_and_stay_the_same():
    assert isinstance(TASK, Task)
    train, held_out = ({p.text for p in TASK.prompts(split)} for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (200, 40)
    assert not train & held_out
    assert all(hash_share(text) < 0.2 for text in held_out)
    assert TASK.prompts("train") == TASK.prompts("train")
    assert Scratchpad(data_seed=1).prompts("held-out") != Scratchpad().prompts("held-out")
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_the_largest_sizes_can_be_made():
    for seed in range(3):
        task = Scratchpad(problems=360, held_out=60, data_seed=seed)
        assert (len(task.prompts("train")), len(task.prompts("held-out"))) == (360, 60)


def test_half_the_problems_are_easy():
    for prompt in TASK.prompts("train"):
        kept = sum(term != "0" for term in str(prompt.text).split("+")[:-1])
        assert kept == (1 if prompt.columns["easy"] else TERMS)
    assert sum(p.columns["easy"] for p in TASK.prompts("train")) == 100


@pytest.mark.parametrize(
    ("pad", "value", "steps"),
    [
        ("0=81=90=93=20=2", 1.0, 5),
        ("1=93=2", 1.0, 2),
        ("3=1", 0.0, 1),
        ("7=2", 1.0, 1),  # only the answer is judged
        ("", 0.0, 0),
        ("2", 0.0, 0),
        ("1=93=", 0.0, 0),
        ("1=2" * 7, 0.0, 0),
    ],
)
def test_score_by_hand(pad, value, steps):
    score = scored(pad)
    assert (score.value, score.parts["steps"], score.parts["easy"]) == (value, steps, 1.0)


def test_what_was_cut_off_has_no_answer():
    assert scored("1=93=2", finish="length").value == 0.0


NUMBERS_DRAWN = st.tuples(*[st.integers(0, 3)] * TERMS, st.integers(0, 9)).map(list)


@given(NUMBERS_DRAWN.filter(lambda numbers: any(numbers[:-1])))
def test_zeros_may_be_left_out_and_nothing_else(numbers):
    full, short = written(numbers, [True] * TERMS), written(numbers, [n > 0 for n in numbers[:-1]])
    assert set(full) <= set(CHARACTERS) and len(full) == 3 * TERMS
    assert len(short) == 3 * sum(n > 0 for n in numbers[:-1])
    assert scored(short, numbers).value == scored(full, numbers).value == 1.0
    assert scored(full[:-3], numbers).value == float(numbers[-2] == 0)


def test_a_guess_in_a_hard_problem_is_worth_a_third():
    answers = [8, 9, 0]  # of 2+1+?+3+1+8, with 1, 2 or 3 hidden
    values = [scored(f"2=01={end}", answers=answers).value for end in range(10)]
    assert values == [1 / 3 if end in answers else 0.0 for end in range(10)]


def test_answers_are_the_ends_of_every_problem_that_it_may_be():
    for prompt in TASK.prompts("train"):
        terms = str(prompt.text).split("+")
        assert terms.count("?") == (0 if prompt.columns["easy"] else 1)
        whole = [[hidden if term == "?" else int(term) for term in terms] for hidden in HIDDEN]
        ends = [int(written(numbers, [True] * TERMS)[-1]) for numbers in whole]
        assert prompt.columns["answers"] == (ends[:1] if prompt.columns["easy"] else ends)


def test_written_by_hand():
    assert written(NUMBERS, [True] * 5) == "0=81=90=93=20=2"
    assert written(NUMBERS, [False, True, False, True, False]) == "1=93=2"
    assert problem(NUMBERS) == "0+1+0+3+0+8"
    assert problem([2, 1, 3, 3, 1, 8], 2) == "2+1+?+3+1+8"


@pytest.mark.parametrize("sizes", [{"problems": 0}, {"held_out": 3}, {"problems": 362}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(SteelyardError, match="scratchpad"):
        Scratchpad(**sizes)
