"""Real processes, real signals."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.objective import VarGradTB
from steelyard.replay.inspect import open_view
from steelyard.reward import reward_function
from steelyard.runtime import HeldOut, Local, Processes, Records, Run
from steelyard.task.arithmetic import Arithmetic

SMALL = Run(
    task=Arithmetic(problems=64, held_out=16),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    max_steps=8,
    num_prompts=8,
    num_generations=4,
    search_prompts=8,
    max_completion_length=16,
    evaluation=HeldOut(every=4, prompts=16, sampled_prompts=4, samples=2),
)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def descriptors() -> set[str]:
    return {
        f"{entry.name}->{entry.readlink()}"
        for entry in Path("/proc/self/fd").iterdir()
        if entry.is_symlink() and entry.exists()
    }


def shared_blocks() -> set[str]:
    return {entry.name for entry in Path("/dev/shm").iterdir()}


def test_a_run_in_processes_learns_asynchronously_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before, blocks = descriptors(), shared_blocks()
    with Records(tmp_path / "run") as records:
        local = Local(replace(SMALL, num_searchers=2), records)
        summary = local.train()
    assert summary["steps"] == 8
    assert len(summary["searcher_pids"]) == 2
    assert os.getpid() not in summary["searcher_pids"]
    assert summary["staleness_max"] >= 1
    assert 0 <= summary["learner_idle"] <= 1
    assert 0 <= summary["searcher_idle"] <= 1
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows] == list(range(1, 9))
    measured = [json.loads(line)["version"] for line in (tmp_path / "run/eval.jsonl").read_text().splitlines()]
    assert measured[0] == 0
    assert measured[-1] == 8
    assert (tmp_path / "run/model/model.safetensors").is_file()
    assert not any(alive(child.process.pid) for child in local.supervisor.children.values())
    assert descriptors() == before
    assert shared_blocks() == blocks


def test_a_searcher_samples_at_the_temperature_of_its_rung(tmp_path: Path) -> None:
    """At temperature 1000 every token is as likely as another; the model itself is surer than that."""
    with Records(tmp_path / "run") as records:
        Local(replace(SMALL, max_steps=2, search_ladder=(1000.0, 1000.0)), records).train()
    with open_view(tmp_path / "run/replay.sqlite") as view:
        stored = [t for _, t in view.trajectories()]
    logp = np.concatenate([t.logp_behaviour_T[t.action_T] for t in stored])
    assert stored
    assert np.ptp(logp) < 0.2
    assert logp.mean() < -2.0  # -log V of the model's vocabulary, which has more than eight tokens


def test_weights_are_taken_in_the_middle_of_a_batch_when_that_is_switched_on(tmp_path: Path) -> None:
    many_small_steps = replace(SMALL, max_steps=40, num_prompts=2, evaluation=HeldOut(every=40, prompts=16, samples=1))
    with Records(tmp_path / "run") as records:
        Local(replace(many_small_steps, search_prompts=32, in_flight=True), records).train()
    with open_view(tmp_path / "run/replay.sqlite") as view:
        stored = [t for _, t in view.trajectories()]
    mixed = [t for t in stored if t.version_T is not None]
    for t in mixed:
        assert t.version_T is not None
        assert t.version == t.version_T[0] < t.version_T[-1] <= 40
        assert (np.diff(t.version_T) >= 0).all()
    assert mixed


def test_a_bare_callable_scores_in_this_process(tmp_path: Path) -> None:
    seen: list[int] = []

    def brevity(prompts: list, completions: list, **columns: object) -> list[float]:
        seen.append(os.getpid())
        return [-float(len(c)) for c in completions]

    with Records(tmp_path / "run") as records:
        summary = Local(replace(SMALL, max_steps=2), records, reward_function(brevity)).train()
    assert set(seen) == {os.getpid()}
    assert summary["verifier_errors"] == 0


def test_a_learner_without_data_is_a_stall_that_names_who_waits(tmp_path: Path) -> None:
    run = replace(SMALL, local=Processes(deadline=3.0))
    fails = reward_function(lambda prompts, completions, **columns: [None] * len(prompts))
    with Records(tmp_path / "run") as records, pytest.raises(SteelyardError, match="learner waits for replay"):
        Local(run, records, fails).train()


def test_a_wrong_model_is_one_line_from_the_child(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match="no-such-model"):
        Local(replace(SMALL, model="./no-such-model"), Records(tmp_path)).train()
