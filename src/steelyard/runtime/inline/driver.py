"""The inline runtime: searchers, buffer and learner in one process, on a seeded virtual clock.

What each part does is computed at once; when its effect is seen is decided by the clock (`events`). A run is a pure
function of its settings, faults included: the same seed gives the same rows and the same weights, bit for bit, in one
go or in pieces. What decides its future lies in few places, all of which `save` writes down between two events:

    clock       virtual time and counters            queue     what is under way
    learner     weights, optimiser, reference        weights   published, not all of it seen yet
    assigner    what is searched next                replay    what was found
    failures    what still counts against restarts   tally     what the summary adds up
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelyard.core import Replay, Reward, StallError, Trajectory, Weights
from steelyard.runtime.factories import (
    BUFFER,
    check_prompts,
    make_learner,
    make_measure,
    make_policy,
    make_replay,
    make_searcher,
    make_task,
    save_model,
)
from steelyard.runtime.failures import Failures
from steelyard.runtime.inline import snapshot
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.inline.event_log import state_digest
from steelyard.runtime.inline.events import Event, Kind, Queue
from steelyard.runtime.inline.faults import moment
from steelyard.runtime.inline.snapshot import Clock
from steelyard.runtime.prompt_scheduler import Assigner
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.records import Records
from steelyard.runtime.run_statistics import Tally
from steelyard.runtime.stopping import Stop, stop_signals


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
        self.run = run
        self.records = records
        self.checkpoint = checkpoint
        self.clock = Clock()
        self.queue = Queue()
        self.tally = Tally()
        self.failures = Failures(run.restarts)
        self.task = make_task(run, reward)
        prompts = self.task.prompts("train")
        self.learner = make_learner(run, make_policy(run))
        searching = make_policy(run)
        check_prompts(run, searching)
        self.weights = DelayedWeightStore(self.learner.reference, run.inline.publication_lag)
        self.references = DelayedWeightStore(self.learner.reference)
        self.searcher = make_searcher(run, searching, prompts, self.task.score, self.weights, self.references)
        self.measure = make_measure(run, searching, self.learner.reference)
        self.assigner = Assigner(run, prompts)
        self.replay: Replay
        self._digest = self.learner.reference.digest  # of the learner's weights
        self._open = ExitStack()
        self._handlers = {
            "deliver": self._deliver,
            "crash": lambda event: self._fail(event, "died"),
            "kill": lambda event: self._fail(event, f"said nothing for {run.inline.search_deadline:g} s"),
            "learn": self._learn,
            "search": self._search,
        }

    def train(self) -> dict[str, Any]:
        """Run to the last step; returns the summary.

        Raises:
            Stopped: a signal asked for it; there is a checkpoint to go on from.
            FaultError: searchers failed too often, or nothing came for too long.
        """
        started = time.monotonic()
        with stop_signals() as stop, self._open:
            self.begin()
            while self.steps_left:
                self._stop_if_asked(stop)
                event = self.advance()
                if event.kind == "learn" and self.run.save_steps and self.learner.steps % self.run.save_steps == 0:
                    self.save()
            self._evaluate(self._newest())
            save_model(self.learner.policy, self.records.directory)
        clock = self.clock
        return {
            **self.tally.result(),
            "searcher_pids": [],
            "restarts": self.failures.total,
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
        """Measure the first weights and send the searchers off; or go back to where the checkpoint was made."""
        if self.checkpoint is None:
            self._evaluate(self._newest())  # its row makes the run directory, where the buffer's file goes
        self.replay = self._open.enter_context(closing(make_replay(self.run, self.records.directory / BUFFER)))
        if self.checkpoint is not None:
            self._restore(self.checkpoint)
            self.records.begin()  # not before: what cannot be resumed stays as it was
            return
        self.replay.restore(None, keep_later=False)
        self.replay.publish(0, self._digest)
        for searcher in range(self.run.num_searchers):
            self._at(0.0, "search", searcher=searcher)

    def advance(self) -> Event:
        """Let the next event happen, and log it.

        Raises:
            StallError: the learner has waited for longer than its deadline.
            FaultError: searchers failed too often.
        """
        self._check_stall()
        event = self.queue.pop()
        self.clock.now = event.when
        self._handlers[event.kind](event)
        self._log(event)
        return event

    def save(self) -> Path:
        """Make a checkpoint of everything between two events; returns its directory.

        Raises:
            FaultError: the disk does not let it be written; earlier checkpoints are still whole.
        """
        part = checkpoint.begin(self.records.directory, self.learner.steps)
        self.learner.save(part)
        snapshot.write(part, self._snapshot(), self.queue, self.weights, self._known())
        return checkpoint.conclude(part, self.run.keep_checkpoints, self.replay)

    def close(self) -> None:
        """Close the buffer's file."""
        self._open.close()

    def _snapshot(self) -> snapshot.Snapshot:
        return snapshot.Snapshot(
            clock=self.clock,
            weights=self.weights.stamps(),
            assigner=self.assigner.state(),
            failures=self.failures.state(),
            tally=self.tally.state(),
            parity=self.searcher.logp_mismatch,
            replay=dict(self.replay.state()),
            records=self.records.sizes(),
        )

    def _restore(self, made: Path) -> None:
        state = snapshot.read_snapshot(made)
        self.learner.restore(made)
        self._digest = self._newest().digest
        self.weights.restore(state.weights, snapshot.read_weights(made, self._known()))
        self.references.publish(self.learner.reference)
        self.queue = snapshot.read_queue(made)
        self.clock = state.clock
        self.assigner.restore(state.assigner)
        self.failures.restore(state.failures)
        self.tally.restore(state.tally)
        self.searcher.logp_mismatch = state.parity
        self.replay.restore(state.replay, keep_later=False)

    def _known(self) -> dict[str, np.ndarray]:
        """Weights that the learner's own file brings back, by digest."""
        return {w.digest: w.data for w in (self._newest(), self.learner.reference)}

    def _newest(self) -> Weights:
        return Weights.of(self.learner.policy.weights(), self.learner.version)

    def _stop_if_asked(self, stop: Stop) -> None:
        if stop.requested is not None:
            self.save()
            raise stop.stopped(self.records.directory, self.learner.steps, self.learner.steps)

    def _at(self, when: float, kind: Kind, **facts: Any) -> None:
        self.queue.put(Event(when, kind, self.clock.now, **facts))

    def _search(self, event: Event) -> None:
        """A searcher takes up a batch with the weights it can see now; or dies over it, or falls silent."""
        run = self.run
        clock = self.clock
        batch = clock.batches
        clock.batches = clock.batches + 1
        assignments = self.assigner.next()
        facts = {"searcher": event.searcher, "version": self.weights.newest(), "assignments": assignments}
        if run.inline.faults.strikes("crash", run.seed, batch):
            self._at(clock.now + run.inline.search_cost * moment(run.seed, batch), "crash", **facts)
        elif run.inline.faults.strikes("hang", run.seed, batch):
            self._at(clock.now + run.inline.search_deadline, "kill", **facts)
        else:
            found = [t for part in self.searcher.search(assignments) for t in part]
            found = run.inline.faults.spoil(found, run.seed, batch)
            self._at(clock.now + run.inline.search_cost, "deliver", **facts, groups=[found])

    def _deliver(self, event: Event) -> None:
        [found] = event.groups
        if self._take(found):
            self.assigner.deliver(found)
            self.tally.found(found)
            self.records.quarantine(found)
        else:
            self.assigner.give_back(event.assignments)
        self._try_to_learn()
        self._at(self.clock.now, "search", searcher=event.searcher)

    def _take(self, found: Sequence[Trajectory]) -> bool:
        """Store a batch; False where replay refuses it, because its weights are not those of its version."""
        before = self.replay.metrics()["replay/unknown_version"]
        self.replay.add(found, version=self.learner.version)
        return self.replay.metrics()["replay/unknown_version"] == before

    def _fail(self, event: Event, why: str) -> None:
        """A searcher is gone: its assignments are handed out again, and it is started again."""
        clock = self.clock
        who = f"searcher {event.searcher}"
        self.assigner.give_back(event.assignments)
        pause = self.failures.note(who, why, clock.now)
        self.records.fault(who, why, step=self.learner.steps, seconds=clock.now, again_in=pause)
        self._at(clock.now + pause, "search", searcher=event.searcher)

    def _try_to_learn(self) -> None:
        run = self.run
        learner = self.learner
        clock = self.clock
        if self.queue.learning or not self.steps_left:
            return
        groups = self.replay.sample(run.num_prompts, run.num_generations, version=learner.version, draw=learner.version)
        if groups is None:
            return
        clock.idle += clock.now - clock.waiting_since
        self._at(clock.now + run.inline.learn_cost, "learn", version=learner.version, groups=groups)

    def _learn(self, event: Event) -> None:
        run = self.run
        learner = self.learner
        metrics = self.tally.stepped(learner.step(event.groups))
        self.clock.waiting_since = self.clock.now
        newest = self._newest()
        self._digest = newest.digest
        self._write_metrics(metrics)
        if learner.steps % run.weight_sync_steps == 0:
            self._publish(newest)
        if learner.reference.version == learner.version:
            self.references.publish(learner.reference)
        if learner.steps % run.evaluation.every == 0 and self.steps_left:
            self._evaluate(newest)
        if run.inline.learn_cost > 0:
            self._try_to_learn()

    def _write_metrics(self, metrics: dict[str, Any]) -> None:
        learner = self.learner
        parity = self.searcher.logp_mismatch
        row = {"step": learner.steps, "version": learner.version, "clock": self.clock.now, **metrics}
        gauges = {
            "search/logp_mismatch_mean": parity and parity.mean,
            "search/logp_mismatch_max": parity and parity.max,
            "faults/restarts": self.failures.total,
        }
        self.records.write("metrics", {**row, **self.replay.metrics(), **gauges})

    def _publish(self, newest: Weights) -> None:
        """Into the ledger first: nobody may hold weights that replay does not know."""
        self.replay.publish(newest.version, newest.digest)
        if self.run.inline.faults.strikes("lose", self.run.seed, newest.version):
            self.weights.lose()
        else:
            self.weights.publish(newest)

    def _evaluate(self, weights: Weights) -> None:
        row, samples = self.measure(weights)
        self.searcher.held = None  # evaluation put its own weights into the searchers' policy
        self.tally.evaluated(row)
        self.records.write("eval", row)
        for sample in samples:
            self.records.write("samples", sample)

    def _log(self, event: Event) -> None:
        self.clock.events += 1
        facts = [self._digest, self.weights.stamps(), asdict(self.clock), dict(self.replay.metrics())]
        self.records.write(
            "events",
            {
                "event": self.clock.events,
                "clock": event.when,
                "kind": event.kind,
                "searcher": event.searcher,
                "version": self.weights.newest() if event.kind == "search" else event.version,
                "state": state_digest(facts, event.groups),
            },
        )

    def _check_stall(self) -> None:
        """The learner's wait ends at its deadline, whatever comes later."""
        clock = self.clock
        deadline = self.run.inline.deadline
        until = clock.waiting_since + deadline
        if self.queue.learning or self.queue.next_time <= until:
            return
        searchers = "; ".join(event.doing(until) for event in sorted(self.queue, key=lambda event: event.searcher or 0))
        seen = self.weights.newest()
        learner = self.learner.version
        raise StallError(
            f"no batch since {clock.waiting_since:g}, for {deadline:g} virtual seconds ({searchers}; weights visible: "
            f"version {seen} while the learner is at {learner}; {self.tally.why_no_batch(self.replay.metrics())})",
            where="learner waits for replay",
            hint="look at the rewards and at --max-staleness, or raise --inline.deadline",
        )
