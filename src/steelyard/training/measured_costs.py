"""What a run's parts cost on this machine: searcher batches, learner steps and one evaluation, each timed alone."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from steelyard.core import Episode, Group, Score, Trajectory, Weights, from_bytes, to_bytes
from steelyard.runtime import Run
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
    say(f"searcher batches of {run.search_prompts} x {run.samples_searched} completions")
    found: list[Trajectory] = []
    waves = list[float]()
    scores = list[float]()
    for _ in range(1 + ROUNDS):
        timed.seconds = 0.0
        seconds, batch = _timed(lambda: [t for part in searcher.search(scheduler.next()) for t in part])
        waves.append(seconds - timed.seconds)
        scores.append(timed.seconds)
        found += batch
    say(f"learner steps on {run.num_prompts} x {run.num_generations} completions")
    groups = _groups(found, run)
    steps = [_timed(lambda: learner.step(groups))[0] for _ in range(1 + ROUNDS)]
    publish, newest = _timed(lambda: Weights.of(learner.policy.weights(), learner.version))
    weights.publish(newest)
    publish += _timed(searcher.refresh)[0]
    say("an evaluation, and the replay")
    evaluate, _ = _timed(lambda: make_evaluation(run, searching, learner.reference)(newest))
    store, draw = _replay(run, found)
    lengths = tuple(max(1, int(t.action_T.sum())) for t in found)
    wave, score, step = (median(seconds[1:]) for seconds in (waves, scores, steps))
    return Costs(wave, step, score, publish, evaluate, store, draw, lengths)


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = act()
    return time.perf_counter() - began, answer


def _groups(found: Sequence[Trajectory], run: Run) -> list[Group]:
    """Groups of a learner step of what was found, each prompt's as often as it takes."""
    by_prompt: dict[str, Group] = {}
    for t in found:
        if t.valid:
            by_prompt.setdefault(t.prompt_id, []).append(t)
    own = [*by_prompt.values()]
    return [
        [group[j % len(group)] for j in range(run.num_generations)]
        for group in (own[i % len(own)] for i in range(run.num_prompts))
    ]


def _replay(run: Run, found: Sequence[Trajectory]) -> tuple[float, float]:
    """Seconds to store a completion in a file, the way to the driver included, and to draw the groups of a step."""
    with tempfile.TemporaryDirectory() as directory:
        replay = make_replay(run, Path(directory) / BUFFER)
        try:
            seconds, _ = _timed(lambda: replay.add([from_bytes(to_bytes(t)) for t in found], version=0))
            draw, _ = _timed(lambda: replay.sample(run.num_prompts, run.num_generations, version=0, draw=0))
        finally:
            replay.close()
    return seconds / len(found), draw
