"""What a run's parts cost on this machine: searcher batches, learner steps and one evaluation, each timed alone.

Each part hears and says what it does in a run, in as many messages: to pack, read and enter them is part of its cost.
"""

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

from steelyard.core import Episode, Prompt, Replay, Score, Trajectory, Weights, from_bytes, require, to_bytes
from steelyard.runtime import Run
from steelyard.runtime.coordinator import Coordinator, Profile
from steelyard.runtime.coordinator.commands import Feed, Write
from steelyard.runtime.coordinator.flow import Flow
from steelyard.runtime.coordinator.messages import BatchDone, Found, Message, Published, Stepped, WorkerReady
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
from steelyard.runtime.roles.messages import FoundBytes, TrainOn, pack, unpack_down, unpack_up
from steelyard.runtime.run_dir.records import Records
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
        return [pack(FoundBytes([to_bytes(t) for t in part])) for part in searcher.search(scheduler.next())]

    def learn() -> bytes:
        metrics = learner.step([[from_bytes(t) for t in group] for group in _fed(fed).groups])
        return pack(Stepped(learner.steps, learner.version, metrics, 0.0))

    say("the driver, with its replay in a file")
    first = [search() for _ in range(1 + ROUNDS)]
    store, draw, fed = _measure_driver(run, prompts, learner.reference, first)
    say(f"learner steps on {run.num_prompts} x {run.num_generations} completions")
    steps = [_timed(learn)[0] for _ in first]
    publish, newest = _timed(lambda: Weights.of(learner.policy.weights(), learner.version))
    say(f"searcher batches of {run.search_prompts} x {run.samples_searched} completions")
    waves = list[float]()
    scores = list[float]()
    lengths = list[int]()
    for round_ in range(1 + ROUNDS):
        timed.seconds = 0.0
        # As in a run there are newer weights at each batch. They are not the reference's: only then are both asked.
        weights.publish(Weights(newest.data, newest.version + round_, newest.digest))
        seconds, sent = _timed(search)
        waves.append(seconds - timed.seconds)
        scores.append(timed.seconds)
        lengths += [max(1, int(t.action_T.sum())) for message in sent for t in _found(message)]
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


class _Driver:
    """What a run's driver does about messages, with nobody to send its own to.

    Args:
        run: the settings.
        prompts: the training prompts.
        records: where rows go.
        replay: empty.
        first: the first weights.
    """

    def __init__(self, run: Run, prompts: Sequence[Prompt], records: Records, replay: Replay, first: Weights) -> None:
        self._coordinator = Coordinator(replace(run, num_searchers=1, save_steps=0), prompts, Profile())
        self._flow = Flow(self._coordinator)
        self._records = records
        self._first = first
        for name in self._coordinator.workers:
            self._coordinator.handle(WorkerReady(name), 0.0)
        self._coordinator.handle(Published(first.version, first.digest), 0.0)
        self._flow.note(0.0, self._coordinator.begin(replay, 0.0))

    def deliver(self, batch: Sequence[bytes]) -> None:
        """A searcher's batch has come, in these messages."""
        for message in batch:
            self._tell(Found(SEARCHER, _found(message)))
        self._tell(BatchDone(SEARCHER, 0.0, 0.0))

    def step(self) -> list[bytes]:
        """The learner has made a step and published; returns what it is fed next."""
        fed = self._tell(Stepped(0, self._first.version, {"batch/staleness": {}}, 0.0))
        self._tell(Published(self._first.version + 1, self._first.digest))
        return fed

    def _tell(self, message: Message) -> list[bytes]:
        commands = self._coordinator.handle(message, 0.0)
        self._flow.note(0.0, commands, message)
        for command in commands:
            if isinstance(command, Write):
                self._records.write(command.file, command.row)
        return [_packed(command) for command in commands if isinstance(command, Feed)]


def _measure_driver(
    run: Run, prompts: Sequence[Prompt], first: Weights, batches: Sequence[Sequence[bytes]]
) -> tuple[float, float, bytes]:
    """Seconds of the driver for a completion that comes and between two steps of the learner, and what it is then fed.

    Its coordinator hands out the same batches as these, since it counts from the same seed.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        Records(Path(directory) / "run") as records,
        closing(make_replay(run, Path(directory) / BUFFER)) as replay,
    ):
        driver = _Driver(run, prompts, records, replay, first)
        took = [_timed(partial(driver.deliver, batch))[0] for batch in batches]
        seconds, fed = _timed(driver.step)
    hint = "allow more than one batch to the warm-up: lower --replay.warmup, or raise --search-prompts"
    require(bool(fed), f"has no groups after {len(batches)} batches", where="replay", hint=hint)
    return median(took) / (run.search_prompts * run.samples_searched), seconds, fed[0]


def _found(message: bytes) -> list[Trajectory]:
    """What a searcher's message brings."""
    found = unpack_up(message)
    assert isinstance(found, FoundBytes)
    return [from_bytes(t) for t in found.trajectories]


def _packed(feed: Feed) -> bytes:
    return pack(TrainOn([[to_bytes(t) for t in group] for group in feed.groups], feed.publish))


def _fed(message: bytes) -> TrainOn:
    fed = unpack_down(message)
    assert isinstance(fed, TrainOn)
    return fed
