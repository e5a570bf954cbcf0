from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.core import Prompt, SteelyardError
from steelyard.policy import Policy
from steelyard.policy.loading import SHIPPED
from steelyard.task.arithmetic import STYLES, is_held_out, solution
from steelyard.worlds.bases import arithmetic
from steelyard.worlds.bases.arithmetic import (
    CHARACTERS,
    HABIT,
    MARKERS,
    SKILL,
    ArithmeticBase,
    measure,
    new_policy,
)
from steelyard.worlds.sync_loop import demonstration

TWO_STEPS = {"skill_steps": 1, "habit_steps": 1, "batch": 6}


@pytest.fixture(scope="module")
def shipped():
    return Policy.load("steelyard/arithmetic")


@pytest.fixture(scope="module")
def fresh():
    return new_policy(0)


def test_two_steps_are_made_again_bit_for_bit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(arithmetic, "measure", lambda policy: {"measured": policy.num_parameters()})

    def made(name: str, **settings: int) -> np.ndarray:
        torch.manual_seed(len(name))  # must not matter
        found = ArithmeticBase(output_dir=str(tmp_path / name), **TWO_STEPS, **settings)()
        assert found["model"] == str(tmp_path / name)
        assert found["measured"] > 250_000
        return Policy.load(found["model"]).weights()

    first = made("first")
    assert np.array_equal(made("again"), first)
    assert not np.array_equal(made("other", seed=1), first)
    assert not np.array_equal(new_policy(0).weights(), first)
    with pytest.raises(SteelyardError, match="is not empty"):
        made("first")


@pytest.mark.parametrize("step", [0, 7, 40])
def test_no_batch_holds_a_held_out_problem(fresh, step):
    base = ArithmeticBase(skill_steps=20, batch=192)
    batch = base._batch(step, fresh)
    problems = [group[0].prompt_id for group in batch]
    assert len(batch) == 192
    assert not any(is_held_out(problem) for problem in problems)
    assert base._batch(step, fresh)[5][0].prompt_id == problems[5]
    assert base._batch(step + 1, fresh)[5][0].prompt_id != problems[5]


def test_a_batch_is_worked_solutions_in_the_shares_of_its_phase(fresh):
    base = ArithmeticBase(skill_steps=5, batch=192)
    for step, shares in ((0, SKILL), (5, HABIT)):
        seen = dict.fromkeys(STYLES, 0)
        for (trajectory,) in base._batch(step, fresh):
            said, terms = fresh.decode(trajectory.completion_T), trajectory.prompt_id.rstrip("=")
            numbers = [int(n) for n in terms.replace("-", "+-").split("+")]
            style = next(name for name in STYLES if solution(name, numbers) == said)
            seen[style] += 1
        assert sum(shares.values()) == pytest.approx(1)
        for style, share in shares.items():
            assert abs(seen[style] / 192 - share) < 5 * np.sqrt(share * (1 - share) / 192)


def test_a_demonstration_acts_on_the_completion_and_its_end(fresh):
    found = demonstration(fresh, Prompt("p", "12+7-15+9="), "13")
    assert fresh.decode(found.tokens_T) == "12+7-15+9=13"
    assert found.action_T.tolist() == [False] * 10 + [True] * 3
    assert found.tokens_T[-1] == fresh.eos_ids[0]


def test_the_shipped_model_is_of_the_kind_that_is_trained(shipped, fresh, by_transformers):
    other = ("dtype", "_name_or_path", "transformers_version", "architectures")
    both = (by_transformers(shipped), fresh)
    configs = [{k: v for k, v in p.model.config.to_dict().items() if k not in other} for p in both]
    assert configs[0] == configs[1]
    assert {n: p.shape for n, p in shipped.trainable().items()} == {n: p.shape for n, p in fresh.trainable().items()}
    tokenizers = [p.tokenizer.backend_tokenizer for p in (shipped, fresh)]
    assert tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
    assert len(tokenizers[0].get_vocab()) == 2 + len(CHARACTERS)
    assert (shipped.eos_ids, shipped.pad_id, shipped.context_length) == (fresh.eos_ids, fresh.pad_id, 64)
    text = "".join(solution(style, (12, 7, -15, 9)) for style in STYLES)
    assert shipped.encode(text) == fresh.encode(text)
    assert shipped.decode(shipped.encode(text)) == text


def test_it_is_small():
    assert sum(f.stat().st_size for f in (SHIPPED / "arithmetic").iterdir()) < 1_500_000


def test_the_shipped_model_guesses_and_can_work_out_in_every_style(shipped):
    found = measure(shipped, num_prompts=128)
    assert found["greedy_accuracy"] <= 0.25
    assert found["style_shares"]["bare"] >= 0.6
    assert found["style_accuracy"].keys() == MARKERS.keys()
    assert min(found["style_accuracy"].values()) >= 0.9
    assert all(found["style_shares"].get(style, 0) > 0.005 for style in MARKERS)
