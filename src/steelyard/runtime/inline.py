"""The inline runtime: searchers, buffer and learner in one process, on a seeded virtual clock.

What each part does is computed at once; when its effect is seen is decided by the clock. Events at the same time come
in the order deliver, learn, search, so a learner step of cost 0 is seen by the searcher that delivered. A run is a pure
function of its settings: the same seed gives the same metrics and the same weights, bit for bit.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from steelyard.core import Reward, StallError, Trajectory, Weights
from steelyard.runtime.parts import (
    Assigner,
    check_prompts,
    make_learner,
    make_measure,
    make_policy,
    make_replay,
    make_searcher,
    make_task,
)
from steelyard.runtime.records import Records
from steelyard.runtime.run import Run
from steelyard.runtime.tally import Tally

_DELIVER, _LEARN, _SEARCH = range(3)


class LaggedStore:
    """Published weights, each visible `lag` publications after it was made."""

    def __init__(self, first: Weights, lag: int = 0) -> None:
        self._kept = deque([first], maxlen=lag + 1)

    def publish(self, data: np.ndarray, version: int) -> str:
        """Add the newest weights."""
        self._kept.append(Weights.of(data, version))
        return self._kept[-1].digest

    def newest(self) -> int:
        """The newest visible version: the oldest kept."""
        return self._kept[0].version

    def read(self) -> Weights:
        """The newest visible weights."""
        return self._kept[0]


class Inline:
    """One run on the virtual clock.

    Args:
        run: the settings.
        records: where rows go.
        reward: replaces the task's verifier.
    """

    def __init__(self, run: Run, records: Records, reward: Reward | None = None) -> None:
        torch.set_num_threads(run.inline.threads)
        self.run, self.records, self.tally = run, records, Tally()
        self.task = make_task(run, reward)
        prompts = self.task.prompts("train")
        self.learner = make_learner(run, make_policy(run))
        searching = make_policy(run)
        check_prompts(run, searching)
        self.weights = LaggedStore(self.learner.reference, run.inline.publication_lag)
        self.references = LaggedStore(self.learner.reference)
        self.searcher = make_searcher(run, searching, prompts, self.task.score, self.weights, self.references)
        self.measure = make_measure(run, searching, self.learner.reference)
        self.assigner, self.replay = Assigner(run, prompts), make_replay(run)
        self.now, self.waiting_since, self.idle = 0.0, 0.0, 0.0
        self._learning = False
        self._queue: list[tuple[float, int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def train(self) -> dict[str, Any]:
        """Run to the last step; returns the summary."""
        started = time.monotonic()
        self._evaluate(Weights.of(self.learner.policy.weights(), 0))
        for _ in range(self.run.num_searchers):
            self._at(0.0, _SEARCH, self._search)
        while self.learner.version < self.run.max_steps:
            self.now, _, _, happen = heapq.heappop(self._queue)
            happen()
            self._check_stall()
        self._evaluate(Weights.of(self.learner.policy.weights(), self.learner.version))
        self.learner.policy.save(self.records.directory / "model")
        idle = self.idle / self.now if self.now else 0.0
        return {
            **self.tally.result(),
            "searcher_pids": [],
            "learner_idle": idle,
            "searcher_idle": 0.0,
            "clock": self.now,
            "seconds": time.monotonic() - started,
        }

    def _at(self, when: float, kind: int, happen: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, kind, next(self._order), happen))

    def _search(self) -> None:
        """A searcher starts a batch with the weights it can see now."""
        found = [t for part in self.searcher.search(self.assigner.next()) for t in part]
        self._at(self.now + self.run.inline.search_cost, _DELIVER, lambda: self._deliver(found))

    def _deliver(self, found: list[Trajectory]) -> None:
        self.tally.found(found)
        self.replay.add(found, version=self.learner.version)
        self._try_to_learn()
        self._at(self.now, _SEARCH, self._search)

    def _try_to_learn(self) -> None:
        run, version = self.run, self.learner.version
        if self._learning or version == run.max_steps:
            return
        groups = self.replay.sample(run.num_prompts, run.num_generations, version=version, draw=version)
        if groups is None:
            return
        self.idle += self.now - self.waiting_since
        self._learning = True
        self._at(self.now + run.inline.learn_cost, _LEARN, lambda: self._learn(groups))

    def _learn(self, groups: list[list[Trajectory]]) -> None:
        run, learner = self.run, self.learner
        metrics = self.tally.stepped(learner.step(groups))
        self._learning, self.waiting_since = False, self.now
        self.records.write(
            "metrics",
            {
                "step": learner.version,
                "version": learner.version,
                "clock": self.now,
                **metrics,
                **self.replay.metrics(),
            },
        )
        if learner.version % run.weight_sync_steps == 0:
            self.weights.publish(learner.policy.weights(), learner.version)
        if learner.reference.version == learner.version:
            self.references.publish(learner.reference.data, learner.version)
        if learner.version % run.evaluation.every == 0 and learner.version < run.max_steps:
            self._evaluate(Weights.of(learner.policy.weights(), learner.version))
        if run.inline.learn_cost > 0:
            self._try_to_learn()

    def _evaluate(self, weights: Weights) -> None:
        row, samples = self.measure(weights)
        self.searcher.held = None  # evaluation put its own weights into the searchers' policy
        self.tally.evaluated(row)
        self.records.write("eval", row)
        for sample in samples:
            self.records.write("samples", sample)

    def _check_stall(self) -> None:
        waited = self.now - self.waiting_since
        if not self._learning and waited > self.run.inline.deadline:
            raise StallError(
                f"no batch for {waited:.0f} virtual seconds ({self.tally.why_no_batch(self.replay.metrics())})",
                where="learner waits for replay",
                mend="look at the rewards and at --max-staleness, or raise --inline.deadline",
            )
