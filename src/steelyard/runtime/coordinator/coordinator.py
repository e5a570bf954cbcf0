"""The state machine itself: one method for each message, and the decisions that they share."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from steelyard.core import FaultError, Prompt, Replay, StallError, Trajectory
from steelyard.replay import HearsOfSteps
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.commands import (
    Admit,
    Assign,
    Command,
    EndWorker,
    Evaluate,
    Feed,
    Quarantine,
    Restart,
    Save,
    Show,
    Write,
)
from steelyard.runtime.coordinator.patience import Patience
from steelyard.runtime.coordinator.profile import Profile
from steelyard.runtime.coordinator.saved_state import CoordinatorState, Flight
from steelyard.runtime.coordinator.workers import Role, Worker, workers_of
from steelyard.runtime.failures import Failures
from steelyard.runtime.prompt_scheduler import PromptScheduler
from steelyard.runtime.run import Run
from steelyard.runtime.run_statistics import RunStatistics
from steelyard.runtime.timers import Timers
from steelyard.searcher import Assignment


class Coordinator:
    """The decisions of one run. See the package's docstring for its messages and commands.

    Args:
        run: the settings.
        prompts: the training prompts that assignments point into.
        profile: the properties of the runtime.
    """

    def __init__(self, run: Run, prompts: Sequence[Prompt], profile: Profile) -> None:
        self.run = run
        self.profile = profile
        self.scheduler = PromptScheduler(run, prompts)
        self.statistics = RunStatistics()
        self.failures = Failures(run.restarts)
        self.timers = Timers()
        self.workers = workers_of(run.num_searchers)
        self.replay: Replay
        self.steps = 0
        self.version = 0
        """Of the learner's weights."""
        self.saved_step: int | None = None
        """Learner steps in the newest checkpoint."""
        self.pauses: frozenset[int] = frozenset()
        """Steps at which an earlier part of the run ended: the learner is fed after them when `go_on` is called."""
        self.begun = False
        self.outcome: Literal["finished", "stopped"] | None = None
        """How the run ended; None while it goes on."""
        self._now = 0.0
        self._out: list[Command] = []
        self._first: m.Published | None = None
        self._patience = Patience()
        self._delivered = False
        """A batch came while the learner waited."""
        self._futile = False
        """The last batch brought no reward at all: waits for more of these are not excused."""
        self._seen_version: int | None = None
        self._gap: tuple[float, float] | None = None
        self._saving = False
        self._evaluating: int | None = None
        """The version that is asked for in the evaluation that is still going."""
        self._evaluated_step = -1
        self._finishing = False
        self._model_saved = False
        self._stop_asked: float | None = None

    # What a driver calls

    def handle(self, message: m.Message, now: float) -> list[Command]:
        """Take note of a message that arrived at `now` (seconds of the driver's clock); returns what is to be done.

        Raises:
            StallError: a wait has passed its deadline; it names who waits for whom.
            FaultError: the learner is lost, workers failed too often, or replay cannot store.
        """
        self._now = now
        self._handlers[type(message)](self, message)
        return self._take()

    def begin(
        self, replay: Replay, now: float, saved: CoordinatorState | None = None, flight: Flight | None = None
    ) -> list[Command]:
        """Start the run, or go on from a checkpoint: replay goes back to `saved` and every ready worker is let in.

        Args:
            replay: open, and this coordinator's from now on.
            now: seconds of the driver's clock.
            saved: the coordinator's part of the checkpoint; None begins at step 0 with what replay holds.
            flight: work that goes on as if nothing had happened.

        Raises:
            SteelyardError: `saved` does not fit the settings, or replay is not the one that it describes.
        """
        self._now = now
        self._patience.moved = now
        self.replay = replay
        before = None if saved is None else saved.replay
        if saved is not None:
            self._restore(saved)
        replay.restore(before, keep_later=not self.profile.virtual)
        self.scheduler.skip_stored(replay.admitted_since(before))
        if self._first is not None:
            self.version = self._first.version
            replay.publish(self._first.version, self._first.digest)
        self.begun = True
        if not self.profile.virtual:
            self.timers.start(now)
        # An exact resume repeats the evaluations of the first run, no more.
        exact = self.profile.virtual and saved is not None
        if not exact and self._evaluated_step != self.steps:
            self._evaluating = self.version
        if flight is not None:
            self._take_up(flight)
        for worker in self.workers.values():
            if worker.phase == "ready" and not worker.busy:
                self._admit(worker)
        if self.steps >= self.run.max_steps:
            self._finish()
        elif exact:
            self._go_on()
        return self._take()

    def go_on(self) -> list[Command]:
        """Do what an earlier end of the run left undone at this step, as a longer run does it at once."""
        self._go_on()
        return self._take()

    def _go_on(self) -> None:
        self.pauses -= {self.steps}
        if self.steps and self.steps % self.run.evaluation.every == 0 and self._evaluated_step < self.steps:
            self._evaluate()
        self._feed()

    def state(self) -> CoordinatorState:
        """All that a resume needs beside the learner's own files and the replay's."""
        owed = [] if self.profile.virtual else [a for worker in self.of("searcher") for a in worker.owed()]
        return CoordinatorState(
            steps=self.steps,
            version=self.version,
            evaluated_step=self._evaluated_step,
            scheduler=self.scheduler.state(),
            owed=[(a.prompt, a.sample) for a in owed],
            statistics=self.statistics.state(),
            failures=self.failures.state(),
            timers=self.timers.state(self._now),
            logp_mismatch=self._gap,
            replay=dict(self.replay.state()),
        )

    def summary(self) -> dict[str, object]:
        """What the run adds up to."""
        return {**self.statistics.result(), "restarts": self.failures.total}

    def publishes(self, step: int) -> bool:
        """Whether weights are published after the learner's step of this number.

        The last weights are published too, for the evaluator to find them; on the virtual clock it reads the learner's.
        """
        last = step >= self.run.max_steps and not self.profile.virtual
        return step % self.run.weight_sync_steps == 0 or last

    def of(self, role: Role) -> list[Worker]:
        """The workers of one role."""
        return [worker for worker in self.workers.values() if worker.role == role]

    @property
    def all_ready(self) -> bool:
        """Every worker is built."""
        return all(worker.phase == "ready" for worker in self.workers.values())

    @property
    def may_begin(self) -> bool:
        """All who are needed are built: everybody, or, where searchers may come late, one of them and all others."""
        if not self.profile.late_searchers:
            return self.all_ready
        needed = (*self.of("learner"), *self.of("evaluator"))
        return all(w.phase == "ready" for w in needed) and any(w.phase == "ready" for w in self.of("searcher"))

    @property
    def learner_waits(self) -> bool:
        """The learner wants groups."""
        return self._patience.waiting_since is not None

    # Workers

    def _on_started(self, message: m.WorkerStarted) -> None:
        worker = self.workers[message.worker]
        worker.label = message.label
        worker.heard = self._now
        if worker.phase != "ending":  # who was sent home is not called back when it is lost
            worker.phase = "starting"

    def _on_ready(self, message: m.WorkerReady) -> None:
        worker = self.workers[message.worker]
        self._patience.moved = self._now
        worker.hear(self._now)
        if worker.phase == "ending":
            return
        worker.phase = "ready"
        self.scheduler.give_back(worker.release())
        if self.begun:
            self._admit(worker)

    def _admit(self, worker: Worker) -> None:
        self._out.append(Admit(worker.name))
        if worker.role == "searcher":
            self._top_up(worker)
        elif worker.role == "evaluator" and self._evaluating is not None:
            self._out.append(Evaluate(self._evaluating))

    def _top_up(self, worker: Worker) -> None:
        """Give a searcher batches until it holds as many as the runtime wants."""
        while len(worker.batches) < self.profile.batches_ahead and self._searching:
            if not worker.busy:
                worker.heard = self._now
            batch = self.scheduler.next()
            worker.batches.append([*batch])
            self._out.append(Assign(worker.name, tuple(batch)))

    @property
    def _searching(self) -> bool:
        """Data is still wanted."""
        return self.steps < self.run.max_steps and self._stop_asked is None

    def _on_lost(self, message: m.WorkerLost) -> None:
        worker = self.workers[message.worker]
        if worker.phase in ("starting", "ready"):
            self._replace(worker, message.why)

    def _replace(self, worker: Worker, why: str) -> None:
        """Hand out again what a lost worker owed, and start it again; without its learner the run ends.

        Raises:
            FaultError: it was the learner, or failures pile up.
        """
        if worker.role == "learner":
            hint = "look above for its last words, and at memory; then go on with steelyard train --resume"
            raise FaultError(f"{why} while the run was going", where=worker.label, hint=hint)
        self.scheduler.give_back(worker.release())
        pause = self.failures.note(worker.name, why, self._now)
        if self.begun:
            times = {"step": self.steps, "seconds": self._elapsed()}
            self._out.append(Write("faults", {**times, "who": worker.label, "why": why, "again_in": pause}))
        worker.phase = "away"
        worker.heard = self._now
        self._out.append(Restart(worker.name, pause))

    def _end(self, worker: Worker) -> None:
        if worker.phase != "ending":
            worker.phase = "ending"
            self._out.append(EndWorker(worker.name))

    # Searchers

    def _on_found(self, message: m.Found) -> None:
        """Samples arrived. Those of weights that replay does not know are drawn again; all others count once."""
        worker = self.workers[message.worker]
        worker.hear(self._now)
        arrived = self._owed_among(worker, message.trajectories)
        if not arrived:
            return
        unknown = {a for a, t in arrived.items() if not self.replay.knows(t)}
        known = [t for a, t in arrived.items() if a not in unknown]
        again = [a for a in worker.owed() if a in unknown]
        self.replay.add([*arrived.values()], version=self.version)
        worker.strike(arrived)
        self.scheduler.give_back(again)
        self.scheduler.deliver(known)
        self.statistics.found(known)
        self._futile = bool(known) and not any(t.valid for t in known)
        self._out.append(Quarantine(known))
        self._seen_version = max(t.version for t in arrived.values())
        self._delivered = self.learner_waits
        self._feed()

    def _owed_among(self, worker: Worker, found: Sequence[Trajectory]) -> dict[Assignment, Trajectory]:
        """Those that the worker was asked for and had not delivered, each once."""
        owed = {*worker.owed()}
        arrived: dict[Assignment, Trajectory] = {}
        for trajectory in found:
            assignment = self.scheduler.assignment_of(trajectory)
            if assignment in owed:
                arrived.setdefault(assignment, trajectory)
        return arrived

    def _on_batch_done(self, message: m.BatchDone) -> None:
        worker = self.workers[message.worker]
        worker.hear(self._now)
        self.timers.searched(message.busy, message.idle)
        if worker.batches:
            self.scheduler.give_back(worker.batches.popleft())
        if worker.phase == "ready":
            self._top_up(worker)

    def _on_compared(self, message: m.Compared) -> None:
        self._gap = message.gap

    # Learner

    def _on_published(self, message: m.Published) -> None:
        """Into the ledger first: nobody may hold weights that replay does not know."""
        if not self.begun:
            self._first = message
            return
        self.replay.publish(message.version, message.digest)
        self._out.append(Show(message.version))

    def _on_stepped(self, message: m.Stepped) -> None:
        if message.version < self.version or message.steps < self.steps:
            what = f"went back from version {self.version} to {message.version}"
            raise FaultError(what, where="learner", hint="go on with steelyard train --resume")
        self.steps = message.steps
        self.version = message.version
        self._patience.wait(self._now)
        self.timers.stepped(message.idle)
        if message.metrics is not None:
            if isinstance(self.replay, HearsOfSteps):  # before the groups of the next step are drawn
                self.replay.report(message.metrics)
            self._finish_step(message.metrics)
        self._feed()

    def _finish_step(self, metrics: dict[str, object]) -> None:
        self._write_metrics(self.statistics.stepped(metrics))
        last = self.steps >= self.run.max_steps
        if self.steps % self.run.evaluation.every == 0 and not last and self.steps not in self.pauses:
            self._evaluate()
        due = bool(self.run.save_steps) and (last or self.steps % self.run.save_steps == 0)
        if due or self._stop_asked is not None:
            self._save()
        if last:
            self._finish()

    def _write_metrics(self, metrics: dict[str, object]) -> None:
        clock = self._now if self.profile.virtual else None
        mean, largest = self._gap or (None, None)
        row = {"step": self.steps, "version": self.version, "clock": clock, **metrics, **self.replay.metrics()}
        gauges = {
            "search/logp_mismatch_mean": mean,
            "search/logp_mismatch_max": largest,
            "faults/restarts": self.failures.total,
        }
        if self.run.decode is not None:
            gauges["search/logp_mismatch_off"] = self.run.rule_name
        self._out.append(Write("metrics", row | gauges))
        if not self.profile.virtual:
            timing = self.timers.row(self._now, self.steps, self.statistics.trajectories)
            self._out.append(Write("timing", timing))

    def _feed(self) -> None:
        """Give a waiting learner its groups, if replay has them and nothing else is asked of it."""
        busy = self._patience.waiting_since is None or (self._saving and not self.profile.virtual)
        if (
            busy
            or self.steps in self.pauses
            or not self._searching
            or (self.profile.synchronous and not self._delivered)
        ):
            return
        run = self.run
        groups = self.replay.sample(run.num_prompts, run.num_generations, version=self.version, draw=self.version)
        if groups is not None:
            self._patience.waiting_since = None
            self._delivered = False
            self._out.append(Feed(groups, self.publishes(self.steps + 1)))

    # Evaluator

    def _evaluate(self) -> None:
        """Ask for an evaluation, unless one is still going; an evaluator that is away is asked when it is back."""
        if self._evaluating is not None:
            return
        self._evaluating = self.version
        self._out += [Evaluate(self.version) for worker in self.of("evaluator") if worker.phase == "ready"]

    def _on_evaluated(self, message: m.Evaluated) -> None:
        self._patience.moved = self._now
        self._evaluating = None
        self.timers.evaluated(message.busy)
        # The evaluator knows versions; steps differ from them after a resume.
        self._evaluated_step = self.steps - (self.version - message.row["version"])
        row = {**message.row, "step": self._evaluated_step}
        self.statistics.evaluated(row)
        self._out.append(Write("eval", row))
        self._out += [Write("samples", {**sample, "step": self._evaluated_step}) for sample in message.samples]
        self._conclude()

    # Checkpoints and the end

    def _save(self) -> None:
        self._saving = True
        self._out.append(Save("checkpoint"))

    def _on_saved(self, message: m.Saved) -> None:
        self._patience.moved = self._now
        if message.what == "model":
            self._model_saved = True
            self._conclude()
            return
        self._saving = False
        self.saved_step = self.steps
        if self._stop_asked is not None:
            self._settle_stop()
        elif self._finishing:
            self._out.append(Save("model"))
        else:
            self._feed()

    def _finish(self) -> None:
        """The last step is made: save the model and evaluate the last weights."""
        self._finishing = True
        self._patience.waiting_since = None
        self.timers.finish(self._now)
        for worker in self.of("searcher"):
            self._end(worker)
        if not self._saving:
            self._out.append(Save("model"))

    def _conclude(self) -> None:
        """The run ends once its model is saved and its last weights are evaluated."""
        if not self._model_saved or self._evaluating is not None:
            return
        if self._evaluated_step == self.steps:
            self.outcome = "finished"
        else:
            self._evaluate()

    def _on_stop_requested(self, _: m.StopRequested) -> None:
        """End early with a last checkpoint. One of the virtual clock takes what is in flight along."""
        if self._stop_asked is None:
            self._stop_asked = self._now
            for worker in (*self.of("searcher"), *self.of("evaluator")):
                self._end(worker)
            free = self.profile.virtual or ((self.learner_waits or self._finishing) and self.saved_step != self.steps)
            if self.begun and free and not self._saving:
                self._save()
        self._settle_stop()

    def _settle_stop(self) -> None:
        """The run has stopped where there is nothing to save, all is saved, or the learner does not come to it."""
        if self._stop_asked is None:
            return
        late = self._now - self._stop_asked > self.profile.last_word
        if not self.begun or late or (not self._saving and self.saved_step == self.steps):
            self.outcome = "stopped"

    # Time

    def _on_waiting(self, message: m.Waiting) -> None:
        """A worker is at something that may take its time; its own deadline ends that, and no other."""
        worker = self.workers[message.worker]
        worker.hear(self._now, f"{message.what}, {message.seconds:.0f} s")
        if worker.role == "evaluator":
            self._patience.moved = self._now
        elif not self._futile:
            self._patience.excuse(self._now, message.seconds)

    def _on_held(self, message: m.Held) -> None:
        """Nobody was heard meanwhile, so nobody was silent."""
        for worker in self.workers.values():
            worker.heard += message.seconds
        if not self._futile:
            self._patience.excuse(self._now, message.seconds)

    def _on_tick(self, message: m.Tick) -> None:
        for worker in self.workers.values():
            if worker.silent_too_long(self.profile, self._now) and worker.name not in message.speaking:
                owed = len(worker.owed())
                doing = f"with {owed} samples to draw" if owed else "before it was ready"
                doing += f"; its last word was {worker.waits}" if worker.waits else ""
                self._replace(worker, f"said nothing for {self._now - worker.heard:.0f} s {doing}")
        self._settle_stop()
        if self.begun and self.outcome is None and self._stop_asked is None:
            self._check_waits()

    def _check_waits(self) -> None:
        """Every wait has a deadline and an owner.

        Raises:
            StallError: one has passed.
        """
        profile = self.profile
        since = self._patience.waiting_since
        allowed = self._patience.allowed(profile.deadline)
        if since is not None and self._now > since + allowed:
            seen = "none" if self._seen_version is None else f"version {self._seen_version}"
            data = f"newest data: {seen} while the learner is at {self.version}"
            held = self.statistics.why_no_batch(self.replay.metrics())
            raise StallError(
                f"no batch since {since:g}, for {allowed:g} s ({self._who(since + allowed)}; {data}; {held})",
                where="learner waits for replay",
                hint=f"look at the rewards and at --max-staleness, or raise {profile.deadline_flag}",
            )
        if self._now > self._patience.moved + profile.silence_deadline:
            raise StallError(
                f"nothing for {profile.silence_deadline:g} s ({self._who(self._now)})",
                where=f"coordinator waits for the {self._awaited()}",
                hint=f"raise {profile.deadline_flag}",
            )

    def _awaited(self) -> str:
        if not self._finishing:
            return "learner"
        return "evaluator" if self._model_saved else "learner to save the model"

    def _who(self, now: float) -> str:
        return "; ".join(worker.doing(now) for worker in self.of("searcher"))

    def _elapsed(self) -> float:
        """Seconds of the run, without the time between a kill and the resume."""
        return self._now if self.profile.virtual else self.timers.seconds(self._now)

    # Resume

    def _restore(self, saved: CoordinatorState) -> None:
        self.steps = saved.steps
        self.version = saved.version
        self.saved_step = saved.steps
        self._evaluated_step = saved.evaluated_step
        self._gap = saved.logp_mismatch
        self.scheduler.restore(saved.scheduler)
        self.scheduler.give_back(Assignment(*pair) for pair in saved.owed)
        self.statistics.restore(saved.statistics)
        self.timers.restore(saved.timers)
        # The wall clock of another process says nothing here, so its failures no longer count against the limit.
        recent = saved.failures["recent"] if self.profile.virtual else []
        self.failures.restore({"total": saved.failures["total"], "recent": recent})

    def _take_up(self, flight: Flight) -> None:
        self._patience.waiting_since = flight.waiting_since
        for name, batch in flight.batches.items():
            worker = self.workers[name]
            worker.phase = "ready"
            worker.heard = flight.since[name]
            worker.batches.append([*batch])

    def _take(self) -> list[Command]:
        out = self._out
        self._out = []
        return out

    _handlers: ClassVar[Mapping[type, Callable[..., None]]] = {
        m.WorkerStarted: _on_started,
        m.WorkerReady: _on_ready,
        m.WorkerLost: _on_lost,
        m.Compared: _on_compared,
        m.Found: _on_found,
        m.BatchDone: _on_batch_done,
        m.Published: _on_published,
        m.Stepped: _on_stepped,
        m.Evaluated: _on_evaluated,
        m.Saved: _on_saved,
        m.Waiting: _on_waiting,
        m.Held: _on_held,
        m.StopRequested: _on_stop_requested,
        m.Tick: _on_tick,
    }
