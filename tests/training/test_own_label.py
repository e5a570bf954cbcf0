"""A label of a user's own, from a column of the user's data to the user's objective: nothing of the package changes."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from steelyard.core import Batch, Loss, Needs, SteelyardError, label, method
from steelyard.objective import policy_gradient
from steelyard.objective.advantage import centred, reward_of
from steelyard.replay.inspect import open_view
from steelyard.runtime import HeldOut, Run
from steelyard.task import Rows
from steelyard.training import train
from steelyard.training.plan import plan

label("toughness", axes="P", kind=float, help="How hard the prompt is, from 0 to 1.")
SEEN: list[torch.Tensor] = []


@method("test-hard-first", room="objective")
@dataclass(frozen=True)
class HardFirst:
    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), labels=("toughness",), least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        weight_P1 = batch.label("toughness")[:, None]
        SEEN.append(weight_P1)
        advantage_PG = weight_P1 * centred(reward_of(batch), batch.valid_PG)
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT))


@pytest.fixture
def run(tmp_path):
    def made(rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Run(
            Rows(str(path), held_out_share=0.2), HardFirst(), "steelyard/arithmetic", runtime="inline", max_steps=2,
            num_prompts=4, num_generations=2, search_prompts=4, max_completion_length=4, learning_rate=1e-4,
            evaluation=HeldOut(every=2, prompts=2, sampled_prompts=1, samples=2), output_dir=str(tmp_path / "run"),
        )  # fmt: skip

    return made


def rows(num=20):
    return [{"prompt": f"{i}+{i}=", "answer": str(2 * i), "toughness": i / 20} for i in range(num)]


def test_a_column_reaches_the_objective_and_the_stored_rows(run):
    SEEN.clear()
    result = train(run(rows()), report=False)
    assert len(SEEN) >= 2
    assert all(float(x.min()) >= 0 and float(x.max()) < 1 for x in SEEN)
    with open_view(result.run_dir / "replay.sqlite") as view:
        stored = [t for _, t in view.trajectories()]
    by_prompt = {f"{row['prompt']}": row["toughness"] for row in rows()}
    assert {t.labels["toughness"] for t in stored} <= set(by_prompt.values())
    assert len({t.labels["toughness"] for t in stored}) > 1


@pytest.mark.parametrize(
    ("value", "message"), [(None, "has no column 'toughness'"), ("hard", "its label 'toughness' is 'hard'")]
)
def test_a_prompt_without_it_is_refused_before_the_run(run, tmp_path, value, message):
    wrong = [row | {"toughness": value} for row in rows()]
    with pytest.raises(SteelyardError, match=message):
        plan(run(wrong), "custom")
    with pytest.raises(SteelyardError, match=message):
        train(run(wrong), report=False)
