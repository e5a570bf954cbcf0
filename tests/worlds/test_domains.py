import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Task, Trajectory, hash_share
from steelyard.worlds.domains import GIVEN_UP, Domains, problem, solution

TASK = Domains(problems=60, held_out=10)
PROMPT = Prompt("p", problem([1, 3, 2, 7]), {"domain": 4, "answer": 3})


def scored(completion, *, finish="stop", prompt=PROMPT):
    zeros_T = np.zeros(1, np.float32)
    trajectory = Trajectory("p", np.zeros(1, np.int32), np.ones(1, bool), zeros_T, 0, "d", Sampling(), finish)
    [score] = TASK.score([Episode.of(prompt, completion, trajectory)])
    return score


def test_by_hand():
    assert PROMPT.text == "1+3+2+7="
    assert solution(PROMPT) == "293213"
    assert scored("293213").value == 1
    assert scored("294233").value == 1, "errors that cancel"
    assert scored(GIVEN_UP).parts == {"gave_up": 1.0}


@pytest.mark.parametrize("completion", ["", "3", "2932", "29321313", "293214", "29321=3", GIVEN_UP, "２９３２１３"])
def test_anything_else_is_wrong(completion):
    assert scored(completion).value == 0


def test_what_was_cut_off_is_wrong():
    assert scored("293213", finish="length").value == 0


def test_is_a_task_of_several_domains_whose_splits_share_no_prompt():
    assert isinstance(TASK, Task)
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert not {p.id for p in train} & {p.id for p in held_out}
    assert all(hash_share(str(p.text)) < 0.2 for p in held_out)
    assert len({p.id for p in train}) == len(train)
    sizes = [sum(p.columns["domain"] == d for p in train) for d in range(2, 8)]
    assert 20 <= sizes[0] <= 29
    assert sizes[1:] == [60] * 5
    assert train == TASK.prompts("train")
    assert Domains(data_seed=1).prompts("train") != Domains().prompts("train")
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_every_solution_is_right():
    for prompt in Domains().prompts("train"):
        assert scored(solution(prompt), prompt=prompt).value == 1
        assert len(solution(prompt)) == 2 * prompt.columns["domain"] - 2


def test_wrong_settings_are_refused():
    for wrong in ({"fewest": 1}, {"most": 10}, {"fewest": 5, "most": 4}, {"problems": 0}, {"held_out": 0}):
        with pytest.raises(SteelyardError, match="domains"):
            Domains(**wrong)
