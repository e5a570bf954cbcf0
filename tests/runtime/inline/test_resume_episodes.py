"""A run on episodes of several turns, killed after a checkpoint and resumed, ends as if nothing had happened."""

from dataclasses import replace
from pathlib import Path

import pytest
from simulated import differences, film, resume, rows, stored

from steelyard.recipes import load
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.runtime.run_dir import checkpoint
from steelyard.task import UFO, Arithmetic

pytestmark = pytest.mark.usefixtures("no_power_cuts")

RUN = replace(
    load("guessing"),
    runtime="inline",
    max_steps=2,
    num_prompts=3,
    num_generations=4,
    search_prompts=3,
    save_steps=1,
    replay=PrioritizedReplay(recent_probability=0.5, warmup=12),
    evaluation=HeldOut(every=2, prompts=4, sampled_prompts=2, samples=2),
)
ATTEMPTS = replace(
    RUN, model="steelyard/arithmetic", task=UFO(task=Arithmetic(problems=32, held_out=8), feedback="=", max_turns=3)
)


@pytest.mark.parametrize("run", [RUN, ATTEMPTS], ids=["guessing", "ufo"])
def test_killed_after_a_checkpoint(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = film(run, tmp_path, monkeypatch)
    whole = tmp_path / "whole"
    assert [row["step"] for row in rows(whole)] == [1, 2]
    killed = next(frame for frame in frames if checkpoint.whole(frame)[0] is not None)
    assert len(rows(killed)) == 1
    assert not differences(whole, resume(run, killed))
    assert rows(killed) == rows(whole)
    assert stored(killed) == stored(whole)
