"""A third runtime in sixty lines: a thread pool. It turns commands into tasks and results into messages, no more."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from typing import Any

from steelyard.core import Weights
from steelyard.runtime import Records, Run
from steelyard.runtime.coordinator import Coordinator, Profile
from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.factories import (
    make_evaluation,
    make_learner,
    make_policy,
    make_replay,
    make_searcher,
    save_model,
)
from steelyard.runtime.inline.delayed_store import DelayedWeightStore

PROFILE = Profile(synchronous=True)


class Threads:
    """One run whose parts work in a pool of threads. With one thread they take turns, in the order of the commands."""

    def __init__(self, run: Run, records: Records, threads: int = 1, profile: Profile = PROFILE) -> None:
        self.records = records
        prompts = run.task.prompts("train")
        self.coordinator = Coordinator(run, prompts, profile)
        records.begin()
        self.replay = make_replay(run, records.directory / "replay.sqlite")
        self.pool = ThreadPoolExecutor(threads)
        self.inbox: Queue[m.Message | Future[None]] = Queue()
        self.learner = make_learner(run, make_policy(run))
        self.weights = DelayedWeightStore(self.learner.reference)
        self.references = DelayedWeightStore(self.learner.reference)
        self.evaluation = make_evaluation(run, make_policy(run), self.learner.reference)
        self.searchers = {
            worker.name: make_searcher(run, make_policy(run), prompts, run.task.score, self.weights, self.references)
            for worker in self.coordinator.of("searcher")
        }

    def train(self) -> dict[str, Any]:
        now = 0.0
        self.inbox.put(m.Published(0, self.learner.reference.digest))
        for worker in self.coordinator.workers:
            self.inbox.put(m.WorkerReady(worker))
        with self.pool:
            while self.coordinator.outcome is None:
                now += 1.0
                message = self.inbox.get(timeout=60)
                if isinstance(message, Future):
                    message.result()
                else:
                    self.carry_out(self.coordinator.handle(message, now))
                if self.coordinator.all_ready and not self.coordinator.begun:
                    self.carry_out(self.coordinator.begin(self.replay, now))
        self.replay.close()
        return self.coordinator.summary()

    def carry_out(self, commands: list[c.Command]) -> None:
        for command in commands:
            match command:
                case c.Admit("learner"):
                    self.inbox.put(m.Stepped(0, 0, None, 0.0))
                case c.Assign() | c.Feed() | c.Evaluate() | c.Save():
                    task: Callable[[Any], None] = getattr(self, type(command).__name__.lower())
                    self.pool.submit(task, command).add_done_callback(self.inbox.put)
                case c.Write(file, row):
                    self.records.write(file, row)
                case _:
                    pass

    def assign(self, command: c.Assign) -> None:
        searcher = self.searchers[command.worker]
        found = [t for part in searcher.search(command.assignments) for t in part]
        gap = searcher.logp_mismatch
        self.inbox.put(m.Compared(gap and (gap.mean, gap.max)))
        self.inbox.put(m.Found(command.worker, found))
        self.inbox.put(m.BatchDone(command.worker, 0.0, 0.0))

    def feed(self, command: c.Feed) -> None:
        metrics = self.learner.step([[*group] for group in command.groups])
        newest = Weights.of(self.learner.policy.weights(), self.learner.version)
        self.inbox.put(m.Published(newest.version, newest.digest))
        self.weights.publish(newest)
        self.inbox.put(m.Stepped(self.learner.steps, self.learner.version, metrics, 0.0))

    def evaluate(self, _: c.Evaluate) -> None:
        row, samples = self.evaluation(self.weights.read())
        self.inbox.put(m.Evaluated(row, samples, 0.0))

    def save(self, command: c.Save) -> None:
        assert command.what == "model", "these runs make no checkpoints"
        save_model(self.learner.policy, self.records.directory)
        self.inbox.put(m.Saved("model"))
