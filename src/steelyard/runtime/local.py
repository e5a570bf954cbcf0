"""The local runtime: searchers, learner and evaluator in child processes, the buffer here, no barrier anywhere.

This process owns the replay buffer and the run's records. It answers messages as they come: trajectories go into the
buffer, a learner that wants groups gets them as soon as replay has them, a searcher always has its next batch waiting.
Weights do not pass through here: the learner publishes into shared memory and searchers look there.
"""

import os
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

from steelyard.core import Episode, Reward, StallError, SteelyardError, from_bytes, to_bytes
from steelyard.core.trajectory import Trajectory
from steelyard.runtime.children import Child, dead, spawn
from steelyard.runtime.messages import (
    Assign,
    Down,
    Failed,
    Found,
    Go,
    Groups,
    Measure,
    Measured,
    Ready,
    Saved,
    Searched,
    Stepped,
    Up,
    receive_up,
    send,
)
from steelyard.runtime.parts import Assigner, make_replay, make_task
from steelyard.runtime.records import Records
from steelyard.runtime.run import Run
from steelyard.runtime.shared import unnamed_file
from steelyard.runtime.tally import Tally
from steelyard.searcher import scored

_AHEAD = 2  # batches that a searcher holds: the one it draws and the next, so that it never waits for a message


class Local:
    """One run in processes of its own.

    Args:
        run: the settings.
        records: where rows go.
        reward: a bare callable's verifier; it scores here, in the calling process.
    """

    def __init__(self, run: Run, records: Records, reward: Reward | None = None) -> None:
        self.run, self.records, self.tally, self.reward = run, records, Tally(), reward
        self.prompts = make_task(run, reward).prompts("train")
        self._by_id = {p.id: p for p in self.prompts}
        self.assigner, self.replay = Assigner(run, self.prompts), make_replay(run)
        self.version = 0
        self.started = self.finished = 0.0
        self.waiting_since: float | None = None
        self.learner_idle = self.searcher_idle = self.searcher_busy = 0.0
        self._measuring, self._measured_version, self._saved = False, -1, False
        self.children: list[Child] = []
        self._handlers: dict[type, Callable[[Child, Any], None]] = {
            Found: self._found,
            Searched: self._searched,
            Stepped: self._stepped,
            Measured: self._measured,
            Saved: self._save_done,
            Failed: self._failed,
        }

    def train(self) -> dict[str, Any]:
        """Run to the last step; returns the summary. No child outlives this call."""
        shared = (unnamed_file(), unnamed_file())
        try:
            self._open(*shared)
            self._serve(lambda: self.version >= self.run.max_steps, "learner")
            self.finished = time.monotonic()
            for child in self._of("searcher"):
                child.stop()
            self._final_measurement()
            return self._summary()
        finally:
            self._close(shared)

    @property
    def pids(self) -> list[int]:
        """Process ids of the searchers."""
        return [child.process.pid for child in self._of("searcher")]

    def _of(self, role: str) -> list[Child]:
        return [child for child in self.children if child.role == role]

    def _open(self, weights: int, references: int) -> None:
        """Start the children, wait until all are built, and let them begin."""
        names = [("learner", "learner"), ("evaluator", "evaluator")]
        names += [("searcher", f"searcher {i}") for i in range(self.run.num_searchers)]
        for role, name in names:
            self.children.append(
                spawn(role, name, self.run, weights=weights, references=references, scores=self.reward is None)  # pyright: ignore[reportArgumentType]
            )
        until = time.monotonic() + self.run.local.start_deadline
        for child in self.children:
            message = self._read(child, max(0.0, until - time.monotonic()))
            if isinstance(message, Failed):
                self._failed(child, message)
            assert isinstance(message, Ready)
        for child in self.children:
            self._tell(child, Go())
        self._measure()
        self.started = time.monotonic()
        for child in self._of("searcher"):
            for _ in range(_AHEAD):
                self._assign(child)

    def _read(self, child: Child, deadline: float) -> Up:
        if not child.pipe.poll(deadline):
            raise StallError(
                f"did not load its model within {self.run.local.start_deadline:.0f} s",
                where=child.name,
                mend="raise --local.start-deadline",
            )
        try:
            return receive_up(child.pipe)
        except (EOFError, ConnectionResetError) as error:
            raise dead(child) from error

    def _tell(self, child: Child, message: Down) -> None:
        try:
            send(child.pipe, message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise dead(child) from error

    def _serve(self, done: Callable[[], bool], waiter: str) -> None:
        """Answer messages until `done`; a silence longer than the deadline ends the run with a name."""
        pipes = {child.pipe: child for child in self.children if not child.pipe.closed}
        heard = time.monotonic()
        while not done():
            ready = wait(list(pipes), timeout=1.0)
            for pipe in ready:
                child = pipes[pipe]  # pyright: ignore[reportArgumentType]
                try:
                    message = receive_up(child.pipe)
                except (EOFError, ConnectionResetError) as error:
                    if not child.stopping:
                        raise dead(child) from error
                    del pipes[pipe]  # pyright: ignore[reportArgumentType]
                    continue
                self._handlers[type(message)](child, message)
                if isinstance(message, Stepped | Measured | Saved):
                    heard = time.monotonic()
            self._check_stall(heard, waiter)

    def _check_stall(self, heard: float, waiter: str) -> None:
        now, limit = time.monotonic(), self.run.local.deadline
        if self.waiting_since is not None and now - self.waiting_since > limit:
            raise StallError(
                f"no batch for {now - self.waiting_since:.0f} s ({self.tally.why_no_batch(self.replay.metrics())})",
                where="learner waits for searchers",
                mend="look at the rewards and at --max-staleness, or raise --local.deadline",
            )
        if now - heard > limit:
            raise StallError(
                f"nothing for {now - heard:.0f} s",
                where=f"supervisor waits for the {waiter}",
                mend="raise --local.deadline",
            )

    def _assign(self, child: Child) -> None:
        self._tell(child, Assign([(a.prompt, a.sample) for a in self.assigner.next()]))

    def _found(self, _: Child, message: Found) -> None:
        trajectories = [from_bytes(t) for t in message.trajectories]
        if self.reward is not None:
            trajectories = self._score(trajectories)
        self.tally.found(trajectories)
        self.replay.add(trajectories, version=self.version)
        self._feed()

    def _score(self, trajectories: list[Trajectory]) -> list[Trajectory]:
        assert self.reward is not None
        episodes = [Episode(self._by_id[t.prompt_id], t.info["completion"], t) for t in trajectories]
        return [scored(t, s) for t, s in zip(trajectories, self.reward(episodes), strict=True)]

    def _searched(self, child: Child, message: Searched) -> None:
        self.searcher_busy += message.busy
        self.searcher_idle += message.idle
        if self.version < self.run.max_steps:
            self._assign(child)

    def _stepped(self, _: Child, message: Stepped) -> None:
        """The learner has made a step, or says hello, and wants the next groups."""
        self.version, self.waiting_since = message.version, time.monotonic()
        self.learner_idle += message.idle
        if message.metrics is not None:
            self._record(self.tally.stepped(message.metrics))
            if self.version % self.run.evaluation.every == 0 and self.version < self.run.max_steps:
                self._measure()
        if self.version < self.run.max_steps:
            self._feed()

    def _record(self, metrics: dict[str, Any]) -> None:
        step, seconds = self.version, time.monotonic() - self.started
        self.records.write(
            "metrics", {"step": step, "version": step, "clock": None, **metrics, **self.replay.metrics()}
        )
        self.records.write(
            "timing",
            {
                "step": step,
                "seconds": seconds,
                **self._idle(seconds),
                "steps_per_s": step / seconds,
                "completions_per_s": self.tally.trajectories / seconds,
            },
        )

    def _idle(self, seconds: float) -> dict[str, float]:
        spent = self.searcher_busy + self.searcher_idle
        return {
            "learner_idle": self.learner_idle / seconds,
            "searcher_idle": self.searcher_idle / spent if spent else 0.0,
        }

    def _feed(self) -> None:
        """Give a waiting learner its groups, if replay has them."""
        if self.waiting_since is None or self.version >= self.run.max_steps:
            return
        groups = self.replay.sample(
            self.run.num_prompts, self.run.num_generations, version=self.version, draw=self.version
        )
        if groups is not None:
            self.waiting_since = None
            self._tell(self._of("learner")[0], Groups([[to_bytes(t) for t in group] for group in groups]))

    def _measure(self) -> None:
        """Ask for an evaluation, unless one is still going."""
        if not self._measuring:
            self._measuring = True
            self._tell(self._of("evaluator")[0], Measure())

    def _measured(self, _: Child, message: Measured) -> None:
        self._measuring, self._measured_version = False, message.row["version"]
        self.tally.evaluated(message.row)
        self.records.write("eval", message.row)
        for sample in message.samples:
            self.records.write("samples", sample)

    def _final_measurement(self) -> None:
        """Save the model and measure the last weights; the learner has published them before it said so."""
        self.waiting_since = None
        self._of("learner")[0].stop(save=str(self.records.directory / "model"))
        self._serve(lambda: self._saved, "learner to save the model")
        self._serve(lambda: not self._measuring, "evaluator")
        if self._measured_version != self.version:
            self._measure()
            self._serve(lambda: not self._measuring, "evaluator")

    def _save_done(self, _: Child, message: Saved) -> None:
        self._saved = True

    def _failed(self, child: Child, message: Failed) -> None:
        if message.mistake is not None:
            what, where, mend = message.mistake
            raise SteelyardError(what, where=where, mend=mend)
        raise RuntimeError(f"{child.name} failed:\n{message.error}")

    def _summary(self) -> dict[str, Any]:
        seconds = self.finished - self.started
        return {**self.tally.result(), "searcher_pids": self.pids, **self._idle(seconds), "seconds": seconds}

    def _close(self, shared: tuple[int, int]) -> None:
        """End every child and give back the memory, whatever happened."""
        for child in self.children:
            child.stop()
        for child in self.children:
            child.reap()
        for descriptor in shared:
            os.close(descriptor)
