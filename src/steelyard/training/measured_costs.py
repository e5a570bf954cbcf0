"""What a run's parts cost on this machine: searcher batches, learner steps and one evaluation, each timed alone."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from steelyard.core import Episode, Prompt, Score, Weights, from_bytes, require, to_bytes
from steelyard.runtime import Run
from steelyard.runtime.coordinator import Coordinator, Profile
from steelyard.runtime.coordinator.commands import Command, Feed
from steelyard.runtime.coordinator.messages import BatchDone, Found, Published, Stepped, WorkerReady
from steelyard.runtime.factories import (
    BUFFER,
    check_prompts,
    fitting,
    make_evaluation,
    make_learner,
    make_policy,
    make_replay,
    make_searcher,
    make_task,
)
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.prompt_scheduler import PromptScheduler
from steelyard.runtime.simulated.costs import Costs

SEARCHER = "searcher 0"
ROUNDS = 3
"""Times that each part is measured; the median counts. Once more it runs before, unmeasured."""


class Timed:
    """A reward that counts the seconds that it takes.

    Args:
        score: the reward.
    """

    def __init__(self, score: Callable[[Sequence[Episode]], list[Score]]) -> None:
        self.reward = getattr(getattr(score, "__self__", None), "reward", score)
        self.seconds = 0.0
        self._score = score

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """Its scores."""
        began = time.perf_counter()
        scores = self._score(episodes)
        self.seconds += time.perf_counter() - began
        return scores


def measure_costs(run: Run, say: Callable[[str], None]) -> Costs:
    """Measure the parts of a run, one after another, in this process.

    Args:
        run: the settings.
        say: called with a line before each part.

    Raises:
        SteelyardError: the run could not start.
    """
    torch.set_num_threads(run.local.threads)
    searching = make_policy(run, "search")
    run = fitting(run, searching)
    check_prompts(run, searching)
    learner = make_learner(run, make_policy(run, "learner"))
    task = make_task(run)
    prompts = task.prompts("train")
    timed = Timed(task.score)
    weights = DelayedWeightStore(learner.reference)
    searcher = make_searcher(run, searching, prompts, timed.score, weights, DelayedWeightStore(learner.reference))
    searcher.delay = 0.0  # the simulation adds it
    scheduler = PromptScheduler(run, prompts)

    def search() -> list[bytes]:
        return [to_bytes(t) for part in searcher.search(scheduler.next()) for t in part]

    say("the driver, with its replay in a file")
    first = [search() for _ in range(1 + ROUNDS)]
    store, draw, groups = _driver(run, prompts, learner.reference, first)
    say(f"learner steps on {run.num_prompts} x {run.num_generations} completions")
    steps = [_timed(lambda: learner.step([[from_bytes(t) for t in group] for group in groups]))[0] for _ in first]
    # Searchers go on with weights that are not the reference's: only then do they ask both.
    publish, newest = _timed(lambda: Weights.of(learner.policy.weights(), learner.version))
    weights.publish(newest)
    publish += _timed(searcher.refresh)[0]
    say(f"searcher batches of {run.search_prompts} x {run.samples_searched} completions")
    waves = list[float]()
    scores = list[float]()
    lengths = list[int]()
    for _ in range(1 + ROUNDS):
        timed.seconds = 0.0
        seconds, sent = _timed(search)
        waves.append(seconds - timed.seconds)
        scores.append(timed.seconds)
        lengths += [max(1, int(t.action_T.sum())) for t in map(from_bytes, sent)]
    say("an evaluation")
    evaluate, _ = _timed(lambda: make_evaluation(run, searching, learner.reference)(newest))
    wave, score, step = (median(seconds[1:]) for seconds in (waves, scores, steps))
    return Costs(
        wave=wave, step=step, score=score, publish=publish, evaluate=evaluate, store=store, draw=draw,
        lengths=tuple(lengths),
    )  # fmt: skip


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = act()
    return time.perf_counter() - began, answer


def _driver(
    run: Run, prompts: Sequence[Prompt], first: Weights, batches: Sequence[Sequence[bytes]]
) -> tuple[float, float, list[list[bytes]]]:
    """Seconds of the driver for a completion that comes and for the groups of a step that go, and such groups.

    Its coordinator hands out the same batches as these, since it counts from the same seed.
    """
    coordinator = Coordinator(replace(run, num_searchers=1), prompts, Profile())
    with tempfile.TemporaryDirectory() as directory, closing(make_replay(run, Path(directory) / BUFFER)) as replay:
        for name in coordinator.workers:
            coordinator.handle(WorkerReady(name), 0.0)
        coordinator.handle(Published(first.version, first.digest), 0.0)
        coordinator.begin(replay, 0.0)
        took = list[float]()
        for batch in batches:
            seconds, _ = _timed(partial(_deliver, coordinator, batch))
            took.append(seconds / len(batch))
            coordinator.handle(BatchDone(SEARCHER, 0.0, 0.0), 0.0)
        seconds, groups = _timed(lambda: _drawn(coordinator.handle(Stepped(0, 0, None, 0.0), 0.0)))
    hint = "allow more than one batch to the warm-up: lower --replay.warmup, or raise --search-prompts"
    require(bool(groups), f"has no groups after {len(batches)} batches", where="replay", hint=hint)
    return median(took), seconds, groups


def _deliver(coordinator: Coordinator, sent: Sequence[bytes]) -> None:
    coordinator.handle(Found(SEARCHER, [from_bytes(t) for t in sent]), 0.0)


def _drawn(commands: Sequence[Command]) -> list[list[bytes]]:
    """The groups that a learner is fed, as they are sent to it."""
    return [
        [to_bytes(t) for t in group] for command in commands if isinstance(command, Feed) for group in command.groups
    ]
