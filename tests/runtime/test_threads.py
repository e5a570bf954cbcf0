"""A new runtime writes no run logic: a thread pool trains, and with one thread it trains exactly as inline does."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated import rows, train
from threads import Threads

from steelyard.recipes import load
from steelyard.runtime import HeldOut, Records, Run, VirtualClock
from steelyard.runtime.coordinator import Profile

RUN: Run = replace(
    load("enumerable"),
    runtime="inline",
    max_steps=4,
    save_steps=0,
    num_generations=16,
    replay=replace(load("enumerable").replay, warmup=32),
    inline=VirtualClock(learn_cost=0.0),
    evaluation=HeldOut(every=2, prompts=2, sampled_prompts=2, samples=2),
)
"""Few steps of `enumerable`, one for each delivery."""


def arrivals(directory: Path) -> list[tuple[Any, ...]]:
    """Every row that replay ever took in, in order, to the last bit."""
    with closing(sqlite3.connect(directory / "replay.sqlite")) as file:
        query = "SELECT seq, arrived, data FROM rows JOIN bodies USING (seq) ORDER BY seq"
        return file.execute(query).fetchall()


def test_threads_that_take_turns_train_as_the_inline_runtime_does(tmp_path: Path) -> None:
    summary = train(RUN, tmp_path / "inline")
    with Records(tmp_path / "threads") as records:
        found = Threads(replace(RUN, runtime="local"), records).train()
    # The searcher's last batch is under way when the last step ends. Inline it is cut off, here it arrives.
    for name in ("steps", "staleness_max", "staleness_mean", "accuracy_after", "total_variation"):
        assert found[name] == summary[name], name
    clocks = {"clock": None}
    assert [row | clocks for row in rows(tmp_path / "inline")] == rows(tmp_path / "threads")
    assert rows(tmp_path / "inline", "eval") == rows(tmp_path / "threads", "eval")
    expected = arrivals(tmp_path / "inline")
    assert expected
    assert arrivals(tmp_path / "threads")[: len(expected)] == expected
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes() for name in ("inline", "threads")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("searchers", [1, 3])
def test_threads_that_run_at_the_same_time_make_every_step(tmp_path: Path, searchers: int) -> None:
    run = replace(RUN, runtime="local", num_searchers=searchers, max_staleness=3)
    with Records(tmp_path) as records:
        summary = Threads(run, records, threads=3, profile=Profile()).train()
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4]
    assert summary["steps"] == 4
    assert summary["staleness_max"] <= 3
    assert [row["step"] for row in rows(tmp_path, "eval")][-1] == 4
