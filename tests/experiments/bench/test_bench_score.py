import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from steelyard.core import SteelyardError
from steelyard.experiments.bench import score
from steelyard.experiments.bench.peers import trl_grpo
from steelyard.experiments.bench.peers.trl_grpo import TrlGrpo
from steelyard.experiments.bench.score import Score, crossing, curve_of, has_trl, measure, ratios, table
from steelyard.policy import Policy
from steelyard.recipes.arithmetic import RECIPE
from steelyard.task import Arithmetic


def row(system: str, seed: int, seconds: float | None, steps: float | None = 10.0) -> dict:
    return {"contest": "tuned", "system": system, "seed": seed, "seconds_to_80": seconds, "steps_to_80": steps,
            "completions_per_s": 100.0, "steps_per_s": 2.0, "accuracy_last": 0.9}  # fmt: skip


def test_the_level_is_crossed_on_a_straight_line_between_two_measurements():
    curve = [(0, 0.0, 0.1), (2, 1.0, 0.4), (4, 3.0, 0.9), (6, 4.0, 0.7)]
    assert crossing(curve, 0.4) == (2, 1.0)
    assert crossing(curve, 0.65) == (3, 2.0)
    assert crossing(curve, 0.05) == (0, 0.0)
    assert crossing(curve, 0.95) is None


def test_ratios_pair_seeds_and_leave_out_what_was_never_reached():
    own = [row("local", 1, 2.0), row("local", 2, 4.0), row("local", 3, None)]
    other = [row("trl", 1, 3.0), row("trl", 2, None), row("trl", 3, 5.0)]
    assert ratios(own, other) == [1.5]


def test_the_table_has_a_line_for_each_system_and_the_ratios_below():
    rows = [row("local", 1, 2.0), row("local", 2, 4.0), row("trl", 1, 6.0), row("trl", 2, None)]
    columns, lines = table(rows)
    assert [line[0] for line in lines] == ["tuned: local", "tuned: trl", "tuned: trl / local, by seed"]
    assert lines[0][1] == "3 [2, 4]"
    assert lines[1][1] == "6 (1 never)"
    assert lines[2][1] == "3"
    assert all(len(line) == len(columns) for line in lines)


def test_a_system_that_never_gets_there_says_so():
    _, lines = table([row("local", 1, None, None), row("inline", 1, 2.0)])
    assert lines[0][1:3] == ["never", "never"]
    assert lines[-1][1] == "none"


def test_weights_are_measured_by_name_at_their_step_time(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(score, "_PROMPTS", 32)
    tensors = {f"policy.{name}": p.detach().clone() for name, p in Policy.load(RECIPE.model).trainable().items()}
    save_file(tensors, tmp_path / "same.safetensors")
    save_file({name: 0 * t for name, t in tensors.items()}, tmp_path / "nothing.safetensors")
    files = {1: tmp_path / "nothing.safetensors", 2: tmp_path / "same.safetensors"}
    first, nothing, same = curve_of([(1, 0.5), (2, 0.75)], files, prefix="policy.")
    assert (first[:2], nothing, same[:2]) == ((0, 0.0), (1, 0.5, 0.0), (2, 0.75))
    assert first[2] == same[2] > 0


def test_without_trl_its_rows_are_left_out_and_a_line_says_how_to_get_it(tmp_path: Path):
    said = []
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E -I "$@"\n')
    bare.chmod(0o755)
    assert not has_trl(str(bare), said.append)
    assert "steelyard[bench]" in said[0]
    assert "--peer-python" in said[0]


def test_an_interpreter_that_is_none_is_refused():
    with pytest.raises(SteelyardError, match="--peer-python: cannot be run"):
        has_trl("no/such/python", lambda line: None)


@pytest.mark.parametrize("name", ["runs", "steps"])
def test_counts_begin_at_one(name: str):
    with pytest.raises(SteelyardError, match=f"--{name}: is 0"):
        Score(**{name: 0})


def test_one_round_of_ours(tmp_path: Path, monkeypatch):
    """Both runtimes, two steps: every row has its times, rates and a curve that begins with the shipped weights."""
    monkeypatch.setattr(score, "_PROMPTS", 8)
    monkeypatch.setattr(score, "has_trl", lambda python, say: False)
    said = []
    rows = measure(Score(runs=1, steps=2, contests=("tuned",)), tmp_path, said.append)
    assert [(r["system"], r["seed"]) for r in rows] == [("local", 100), ("inline", 100)]
    for r in rows:
        assert [point[0] for point in r["curve"]] == [0, 1, 2]
        assert 0 < r["curve"][2][1] < 60
        assert r["completions_per_s"] > 0
        assert r["steps_per_s"] == pytest.approx(2 / r["curve"][2][1])
    assert rows[0]["curve"][0] == rows[1]["curve"][0]
    assert len(said) == 2
    json.dumps(rows)


def test_the_peer_has_the_tasks_own_verifier():
    """A right sum that came to its end scores 1; one that was cut off has no answer, as for our own completions."""
    task = Arithmetic(problems=4)
    prompts = task.prompts("train")
    answers = [str(p.columns["answer"]) for p in prompts]
    reward = trl_grpo._reward(task, prompts, eos_ids=[1])
    texts = [answers[2], answers[0], f">1,2={answers[1]}", "5000"]
    ids = [[5, 1], [5, 5], [5, 1], [5, 1]]
    assert reward(completions=texts, completion_ids=ids, place=[2, 0, 1, 3], prompts=None) == [1.0, 0.0, 1.0, 0.0]


def test_the_peer_asks_trl_for_the_recipes_settings():
    asked = trl_grpo._arguments(TrlGrpo(directory="d", num_prompts=16, learning_rate=2e-4))
    assert asked["per_device_train_batch_size"] == 16 * RECIPE.num_generations
    assert asked["num_generations"] == RECIPE.num_generations
    assert asked["max_completion_length"] == RECIPE.max_completion_length
    assert (asked["beta"], asked["temperature"], asked["use_cpu"]) == (0.0, 1.0, True)


def test_a_missing_trl_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(SteelyardError, match=r"trl: is not installed .*steelyard\[bench\]"):
        trl_grpo.train(TrlGrpo())
