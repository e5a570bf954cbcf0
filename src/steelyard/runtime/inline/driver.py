"""The inline runtime: searchers, replay and learner in one process, on a seeded virtual clock.

What each part does is computed at once; the clock decides when its effect is seen (`events`). A run is a pure function
of its settings, injected faults included: the same seed gives the same rows and the same weights, bit for bit, in one
go or in pieces. This driver turns events into messages to the coordinator and carries out its commands; what is
searched, fed, published, evaluated, saved and recorded is decided there. `save` writes down, between two events:

    clock        virtual time and counters      queue     what is under way
    learner      weights, optimiser, reference  weights   published, not all of it seen yet
    coordinator  everything else of the run
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelyard.core import Replay, Reward, Weights
from steelyard.policy.device import repeat_exactly
from steelyard.runtime.coordinator import Coordinator, Flight, Profile
from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.workers import searcher_name, searcher_number
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
    save_model,
)
from steelyard.runtime.inline import snapshot
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.inline.event_log import row_of
from steelyard.runtime.inline.events import Event, Kind, Queue
from steelyard.runtime.inline.faults import moment
from steelyard.runtime.inline.snapshot import Clock
from steelyard.runtime.prompt_lengths import described
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.records import Records
from steelyard.runtime.stopping import stop_signals


class Inline:
    """One run on the virtual clock.

    `train` runs it to its end. A caller that wants to look in between calls `begin`, then `advance` as long as there
    are `steps_left`, `save` wherever it likes, and `close`.

    Args:
        run: the settings.
        records: where rows go.
        reward: replaces the task's verifier.
        checkpoint: what to go on from; None begins anew, whatever the run directory's buffer holds.
    """

    def __init__(
        self, run: Run, records: Records, reward: Reward | None = None, checkpoint: Path | None = None
    ) -> None:
        torch.set_num_threads(run.inline.threads)
        searching = make_policy(run, "search")
        learning = make_policy(run, "learner")
        if "cuda" in (searching.device.type, learning.device.type):
            repeat_exactly()
        run = fitting(run, searching)
        self.run = run
        self.records = records
        self.checkpoint = checkpoint
        self.clock = Clock()
        self.queue = Queue()
        self.task = make_task(run, reward)
        prompts = self.task.prompts("train")
        self.coordinator = Coordinator(run, prompts, profile_of(run))
        self.learner = make_learner(run, learning)
        check_prompts(run, searching)
        self.weights = DelayedWeightStore(self.learner.reference, run.inline.publication_lag)
        self.references = DelayedWeightStore(self.learner.reference)
        self.searcher = make_searcher(run, searching, prompts, self.task.score, self.weights, self.references)
        self.evaluation = make_evaluation(run, searching, self.learner.reference, reward)
        self.replay: Replay
        self._newest = self.learner.reference  # the learner's weights
        self._saves: deque[c.Save] = deque()  # asked for during an event, done after it
        self._open = ExitStack()
        self._events: dict[Kind, Callable[[Event], None]] = {
            "deliver": self._deliver,
            "crash": lambda event: self._lose(event, "died"),
            "kill": lambda event: self._lose(event, f"said nothing for {run.inline.search_deadline:g} s"),
            "learn": self._learn,
            "search": lambda event: self._tell(m.WorkerReady(searcher_name(event.searcher))),
        }
        self._commands: dict[type, Callable[[Any], None]] = {
            c.Admit: lambda _: None,
            c.Assign: self._search,
            c.Feed: self._feed,
            c.Show: self._show,
            c.Evaluate: lambda _: self._evaluate(),
            c.Save: self._saves.append,
            c.EndWorker: lambda _: None,
            c.Restart: self._restart,
            c.Write: lambda command: records.write(command.file, command.row),
            c.Quarantine: lambda command: records.quarantine(command.trajectories),
        }

    def train(self) -> dict[str, object]:
        """Run to the last step; returns the summary.

        Raises:
            Stopped: a signal asked for it; there is a checkpoint to go on from.
            FaultError: searchers failed too often, or nothing came for too long.
        """
        started = time.monotonic()
        with stop_signals() as stop, self._open:
            self.begin()
            while self.coordinator.outcome is None:
                if stop.requested is not None:
                    self._tell(m.StopRequested())
                elif self.steps_left:
                    self.advance()
                self._carry_out_saves()
            if self.coordinator.outcome == "stopped":
                steps = self.learner.steps
                raise stop.stopped(self.records.directory, steps, steps)
        clock = self.clock
        return {
            **self.coordinator.summary(),
            "searcher_pids": [],
            "learner_idle": clock.idle / clock.now if clock.now else 0.0,
            "searcher_idle": 0.0,
            "clock": clock.now,
            "seconds": time.monotonic() - started,
        }

    @property
    def steps_left(self) -> int:
        """Learner steps to make."""
        return self.run.max_steps - self.learner.steps

    def begin(self) -> None:
        """Evaluate the first weights and send the searchers off; or go back to where the checkpoint was made."""
        for worker in ("learner", "evaluator"):
            self._tell(m.WorkerReady(worker))
        if self.checkpoint is None:
            self._evaluate()  # its row makes the run directory, where the buffer's file goes
            self.records.data(described(self.task))
        self.replay = self._open.enter_context(closing(make_replay(self.run, self.records.directory / BUFFER)))
        if self.checkpoint is not None:
            self._restore(self.checkpoint)
            self.records.begin()  # not before: what cannot be resumed stays as it was
            return
        self._tell(m.Published(0, self._newest.digest))
        self._carry_out(self.coordinator.begin(self.replay, 0.0, flight=Flight(waiting_since=0.0)))
        for searcher in range(self.run.num_searchers):
            self._at(0.0, "search", searcher=searcher)

    def advance(self) -> Event:
        """Let the next event happen, and log it.

        Raises:
            StallError: the learner has waited for longer than its deadline.
            FaultError: searchers failed too often.
        """
        self._carry_out(self.coordinator.handle(m.Tick(), self.queue.next_time))
        event = self.queue.pop()
        self.clock.now = event.when
        self._events[event.kind](event)
        self.clock.events += 1
        row = row_of(event, self.clock, self._newest.digest, self.weights, self.replay.metrics())
        self.records.write("events", row)
        if self.learner.steps in self.coordinator.pauses:
            self._carry_out(self.coordinator.go_on())
        return event

    def save(self) -> Path:
        """Make a checkpoint of everything between two events; returns its directory.

        Raises:
            FaultError: the disk does not let it be written; earlier checkpoints are still whole.
        """
        part = checkpoint.begin(self.records.directory, self.learner.steps)
        self.learner.save(part)
        state = self.coordinator.state()
        mine = snapshot.Snapshot(clock=self.clock, weights=self.weights.stamps(), records=self.records.sizes())
        snapshot.write(part, mine, state, self.queue, self.weights, self._known())
        return checkpoint.conclude(part, self.run.keep_checkpoints, self.replay)

    def close(self) -> None:
        """Close the buffer's file."""
        self._open.close()

    # Talking with the coordinator

    def _tell(self, message: m.Message) -> None:
        self._carry_out(self.coordinator.handle(message, self.clock.now))

    def _carry_out(self, commands: list[c.Command]) -> None:
        for command in commands:
            self._commands[type(command)](command)

    def _carry_out_saves(self) -> None:
        """A checkpoint holds the state between two events, so files are written once an event is over."""
        while self._saves:
            what = self._saves.popleft().what
            if what == "checkpoint":
                self.save()
            else:
                save_model(self.learner.policy, self.records.directory)
            self._tell(m.Saved(what))

    # Events

    def _at(self, when: float, kind: Kind, **facts: Any) -> None:
        self.queue.put(Event(when, kind, self.clock.now, **facts))

    def _deliver(self, event: Event) -> None:
        [found] = event.groups
        self._tell(m.Found(searcher_name(event.searcher), found))
        self._at(self.clock.now, "search", searcher=event.searcher)

    def _lose(self, event: Event, why: str) -> None:
        self._tell(m.WorkerLost(searcher_name(event.searcher), why))

    def _learn(self, event: Event) -> None:
        learner = self.learner
        metrics = learner.step(event.groups)
        self._newest = self._weights()
        self.clock.waiting_since = self.clock.now
        if self.coordinator.publishes(learner.steps):
            self._tell(m.Published(learner.version, self._newest.digest))
        if learner.reference.version == learner.version:
            self.references.publish(learner.reference)
        self._tell(m.Stepped(learner.steps, learner.version, metrics, 0.0))

    # Commands

    def _search(self, command: c.Assign) -> None:
        """A searcher takes up a batch with the weights it can see now; or dies over it, or falls silent."""
        run = self.run
        clock = self.clock
        batch = clock.batches
        clock.batches = clock.batches + 1
        assignments = command.assignments
        facts = {
            "searcher": searcher_number(command.worker),
            "version": self.weights.newest(),
            "assignments": assignments,
        }
        if run.inline.faults.strikes("crash", run.seed, batch):
            self._at(clock.now + run.inline.search_cost * moment(run.seed, batch), "crash", **facts)
        elif run.inline.faults.strikes("hang", run.seed, batch):
            self._at(clock.now + run.inline.search_deadline, "kill", **facts)
        else:
            if (heat := run.rung(searcher_number(command.worker))) is not None:
                self.searcher.sampling = replace(self.searcher.sampling, temperature=heat)
            found = [t for part in self.searcher.search(assignments) for t in part]
            found = run.inline.faults.spoil(found, run.seed, batch)
            gap = self.searcher.logp_mismatch
            self._tell(m.Compared(None if gap is None else (gap.mean, gap.max)))
            self._at(clock.now + run.inline.search_cost, "deliver", **facts, groups=[found])

    def _restart(self, command: c.Restart) -> None:
        self._at(self.clock.now + command.after, "search", searcher=searcher_number(command.worker))

    def _feed(self, command: c.Feed) -> None:
        clock = self.clock
        clock.idle += clock.now - clock.waiting_since
        groups = [[*group] for group in command.groups]
        self._at(clock.now + self.run.inline.learn_cost, "learn", version=self.learner.version, groups=groups)

    def _show(self, command: c.Show) -> None:
        if self.run.inline.faults.strikes("lose", self.run.seed, command.version):
            self.weights.lose()
        else:
            self.weights.publish(self._newest)

    def _evaluate(self) -> None:
        row, samples = self.evaluation(self._newest)
        self.searcher.held = None  # evaluation put its own weights into the searchers' policy
        self._tell(m.Evaluated(row, samples, 0.0))

    # Resume

    def _restore(self, made: Path) -> None:
        mine, state = snapshot.read(made)
        self.learner.restore(made)
        self._newest = self._weights()
        self.weights.restore(mine.weights, snapshot.read_weights(made, self._known()))
        self.references.publish(self.learner.reference)
        self.queue = snapshot.read_queue(made)
        self.clock = mine.clock
        self._carry_out(self.coordinator.begin(self.replay, self.clock.now, state, self._flight()))

    def _flight(self) -> Flight:
        """What the events to come say of who does what."""
        drawing = [event for event in self.queue if event.kind in ("deliver", "crash", "kill")]
        return Flight(
            batches={searcher_name(event.searcher): event.assignments for event in drawing},
            since={searcher_name(event.searcher): event.since for event in drawing},
            waiting_since=None if self.queue.learning else self.clock.waiting_since,
        )

    def _weights(self) -> Weights:
        return Weights.of(self.learner.policy.weights(), self.learner.version)

    def _known(self) -> dict[str, np.ndarray]:
        """Weights that the learner's own file brings back, by digest."""
        return {w.digest: w.on_host for w in (self._newest, self.learner.reference)}


def profile_of(run: Run) -> Profile:
    """The virtual clock, as the coordinator has to know it. That a searcher is silent is told by an injected fault."""
    return Profile(
        virtual=True,
        synchronous=run.inline.learn_cost == 0,
        deadline=run.inline.deadline,
        deadline_flag="--inline.deadline",
    )
