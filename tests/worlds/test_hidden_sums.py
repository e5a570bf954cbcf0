import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Task, Trajectory, hash_share
from steelyard.worlds.hidden_sums import CHARACTERS, MARKS, HiddenSums, base

TASK = HiddenSums(signs=16, problems=60, held_out=12)
PROMPT = Prompt("p", "?ab=", {"domain": 1, "answer": 3})


def scored(completion, *, finish="stop"):
    zeros_T = np.zeros(1, np.float32)
    trajectory = Trajectory("p", np.zeros(1, np.int32), np.ones(1, bool), zeros_T, 0, "d", Sampling(), finish)
    return TASK.score([Episode.of(PROMPT, completion, trajectory)])[0].value


def test_by_hand():
    assert scored("3") == 1
    assert [scored(wrong) for wrong in ("", "2", "33", "3=", "３")] == [0] * 5
    assert scored("3", finish="length") == 0, "cut off"


def test_a_longer_sum_is_that_of_the_values_that_single_signs_have():
    whole = HiddenSums(signs=16, problems=5000, held_out=5000)
    problems = [*whole.prompts("train"), *whole.prompts("held-out")]
    values = {p.text[1]: p.columns["answer"] for p in problems if p.columns["domain"] == 0}
    assert sorted(values.values()) == sorted([*range(4)] * 4), "each value is as frequent"
    for p in problems:
        signs = p.text[1:-1]
        assert len(signs) == p.columns["domain"] + 1
        assert p.columns["answer"] == sum(values[sign] for sign in signs) % 4
        assert p.text[0] in MARKS[:5]
    assert len([p for p in problems if p.columns["domain"] == 0]) == 16 * 5


def test_is_a_task_of_several_skills_whose_splits_share_no_prompt():
    assert isinstance(TASK, Task)
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert [sum(p.columns["domain"] == skill for p in train) for skill in range(3)][1:] == [60] * 2
    assert [sum(p.columns["domain"] == skill for p in held_out) for skill in range(3)][1:] == [12] * 2
    assert len({p.id for p in [*train, *held_out]}) == len(train) + len(held_out)
    assert all((hash_share(p.text) < 0.2) == (p in held_out) for p in [*train[:50], *held_out])
    assert {*"".join(p.text for p in train)} <= {*CHARACTERS}
    assert train == TASK.prompts("train")
    assert train != HiddenSums(signs=16, problems=60, held_out=12, data_seed=1).prompts("train")
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


@pytest.mark.long  # a base is made, for a quarter of a minute
def test_the_base_model_knows_the_form_and_a_function_of_its_seed():
    policy = base(TASK, seed=3)
    tokens = policy.encode(str(TASK.prompts("train")[0].text))
    import torch

    chances = policy.next_logp(torch.tensor([tokens]))[0, -1].exp()
    digits = [policy.tokenizer.get_vocab()[d] for d in "0123"]
    assert float(chances[digits].sum()) > 0.9
    assert float(chances.max()) < 0.6
    assert np.array_equal(policy.weights(), base(TASK, seed=3).weights())


def test_wrong_settings_are_refused():
    for wrong in ({"skills": 0}, {"skills": 4}, {"signs": 1}, {"signs": 53}, {"problems": 0}, {"marks": 1}):
        with pytest.raises(SteelyardError, match="hidden-sums"):
            HiddenSums(**wrong)
