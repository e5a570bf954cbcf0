import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from steelyard.core import SteelyardError
from steelyard.experiments.bench.contest import carry_out, crossing, curve_of, has_trl
from steelyard.policy import Policy
from steelyard.recipes.arithmetic import RECIPE
from steelyard.runtime.factories import make_policy


def test_the_level_is_crossed_on_a_straight_line_between_two_measurements():
    curve = [(0, 0.0, 0.1), (2, 1.0, 0.4), (4, 3.0, 0.9), (6, 4.0, 0.7)]
    assert crossing(curve, 0.4) == (2, 1.0)
    assert crossing(curve, 0.65) == (3, 2.0)
    assert crossing(curve, 0.05) == (0, 0.0)
    assert crossing(curve, 0.95) is None


def test_weights_are_measured_by_name_at_their_step_time(tmp_path: Path):
    tensors = {f"policy.{name}": p.detach().clone() for name, p in Policy.load(RECIPE.model).trainable().items()}
    save_file(tensors, tmp_path / "same.safetensors")
    save_file({name: 0 * t for name, t in tensors.items()}, tmp_path / "nothing.safetensors")
    files = {1: tmp_path / "nothing.safetensors", 2: tmp_path / "same.safetensors"}
    first, nothing, same = curve_of(RECIPE, 32, [(1, 0.5, None), (2, 0.75, 9)], files)
    assert (first[:2], nothing, same[:2]) == ((0, 0.0), (1, 0.5, 0.0), (2, 0.75))
    assert first[2] == same[2] > 0


def test_adapters_that_peft_named_are_measured(tmp_path: Path):
    """Weights of another prefix are put in by the rest of their name."""
    run = replace(RECIPE, lora_rank=2)
    adapters = {f"base_model.model.{name}": p.detach() for name, p in make_policy(run).trainable().items()}
    save_file(adapters, tmp_path / "1.safetensors")
    save_file({name: p + 1 for name, p in adapters.items()}, tmp_path / "2.safetensors")
    files = {step: tmp_path / f"{step}.safetensors" for step in (1, 2)}
    before, same, nonsense = curve_of(run, 32, [(1, 0.5, None), (2, 1.0, None)], files)
    assert before[2] == same[2] > 0
    assert nonsense[2] == 0


def test_a_run_of_ours_is_stopped_in_time(tmp_path: Path):
    run = replace(RECIPE, runtime="local", max_steps=500, save_steps=5, output_dir=str(tmp_path / "run"))
    report = carry_out(replace(run, evaluation=replace(run.evaluation, prompts=8, sampled_prompts=1)), seconds=2.0)
    last, seconds, completions = report["steps"][-1]
    assert 2.0 <= seconds < 20
    assert last < 500
    assert completions >= 8 * last
    assert (tmp_path / "run" / f"checkpoint-{last}" / "learner.safetensors").is_file()


def test_an_interpreter_without_trl_is_no_peer(tmp_path: Path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E -I "$@"\n')
    bare.chmod(0o755)
    assert not has_trl(str(bare))


def test_an_interpreter_that_is_none_is_refused():
    with pytest.raises(SteelyardError, match="--peer-python: cannot be run"):
        has_trl("no/such/python")
