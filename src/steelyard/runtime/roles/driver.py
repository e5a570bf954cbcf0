"""The driver of a run whose searchers, learner and evaluator have processes of their own: replay here, no barrier.

This process owns the replay and the run's records. It hears the processes' messages, tells the coordinator, and carries
out what that decides. How messages and weights travel is the runtime's.

What is stored here survives everybody's death. A resumed run keeps every trajectory that was ever accepted, goes back
with the learner to its checkpoint, and draws again what searchers had not delivered. Its weights get version numbers
that the run has never used, so that a version names one set of weights for ever.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from steelyard.core import Episode, Replay, Reward, Score, Stopped, Trajectory, from_bytes, to_bytes
from steelyard.runtime.coordinator import Coordinator, Profile
from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.flow import Flow
from steelyard.runtime.coordinator.saved_state import read_coordinator_state
from steelyard.runtime.coordinator.workers import searcher_number
from steelyard.runtime.factories import BUFFER, fitting, make_replay, make_task
from steelyard.runtime.prompt_lengths import described
from steelyard.runtime.roles import messages as wire
from steelyard.runtime.roles.supervision import Child, Gone, Supervisor, WorkerSpec
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir import checkpoint as checkpoints
from steelyard.runtime.run_dir.records import Records
from steelyard.runtime.stopping import StopSignal, stop_signals
from steelyard.searcher import attach_scores
from steelyard.searcher.scoring import scores_of

_TICK = 0.2  # seconds between two looks at the clock


class Driver(ABC):
    """One run in processes of its own.

    Args:
        run: the settings.
        records: where rows go.
        reward: a bare callable's verifier; it scores here, in the calling process.
        checkpoint: what the learner goes on from; None begins at step 0, with whatever the directory's buffer holds.
    """

    runtime: ClassVar[str]
    """Its name in --runtime and in checkpoints."""
    late_searchers: ClassVar[bool]
    """The run may begin with some of its searchers."""

    def __init__(
        self, run: Run, records: Records, reward: Reward | None = None, checkpoint: Path | None = None
    ) -> None:
        self.run = run
        self.records = records
        self.reward = reward
        self.checkpoint = checkpoint
        self.task = make_task(fitting(run), reward)
        self.prompts = self.task.prompts("train")
        held_out = self.task.prompts("held-out") if reward is not None else ()
        self._by_id = {prompt.id: prompt for prompt in (*self.prompts, *held_out)}
        self.coordinator = Coordinator(run, self.prompts, profile_of(run, late_searchers=self.late_searchers))
        self.flow = Flow(self.coordinator)
        self._miscounted = False
        self.replay: Replay
        self.supervisor: Supervisor
        self.stop = StopSignal()
        self._part: Path | None = None  # the checkpoint that is being made
        self._commands: dict[type, Callable[[Any], None]] = {
            c.Admit: lambda command: self._child(command.worker, wire.Begin()),
            c.Assign: self._assign,
            c.Feed: self._feed,
            c.Show: lambda _: None,  # the learner has: its word overtakes the data
            c.Evaluate: lambda command: self._child("evaluator", wire.EvaluateVersion(command.version)),
            c.Save: self._save,
            c.EndWorker: lambda command: self._child(command.worker, wire.End()),
            c.Restart: lambda command: self.supervisor.replace(command.worker, command.after),
            c.Write: self._write,
            c.Quarantine: lambda command: records.quarantine(command.trajectories),
        }

    @abstractmethod
    def _open(self) -> AbstractContextManager[object]:
        """What the processes share, for as long as the run takes."""

    @abstractmethod
    def _supervise(self, spec: WorkerSpec) -> Supervisor:
        """A supervisor of processes that are told `spec`; what they share is open."""

    def train(self) -> dict[str, object]:
        """Run to the last step; returns the summary. No process of the run outlives this call.

        Raises:
            Stopped: a signal asked for it.
            FaultError: the learner died, others died too often, or somebody waited for too long.
        """
        coordinator = self.coordinator
        with self._open(), stop_signals() as self.stop:
            try:
                self._start()
                self._serve(lambda: coordinator.outcome is not None)
            except (KeyboardInterrupt, Stopped):  # all that a process could still save is saved
                self._close(at_once=True)
                raise
            except BaseException:  # whatever it was, no process outlives this call
                self._close()
                raise
            self._close()
        times = coordinator.timers.result(time.monotonic())
        return {**coordinator.summary(), "searcher_pids": self.pids, **times}

    @property
    def pids(self) -> list[int | None]:
        """Process ids of the searchers."""
        return [child.pid for child in self.supervisor.children.values() if child.role == "searcher"]

    def _start(self) -> None:
        """Start the processes, wait until the run may begin, and let them in."""
        resumed = (self.records.directory / BUFFER).exists()
        if resumed:
            self._open_replay()
        newest = self.replay.newest_version() if resumed else None
        version = 0 if newest is None else newest + 1
        self.supervisor = self._supervise(WorkerSpec(self.run, self.reward is None, version, self.checkpoint))
        for name in self.coordinator.workers:
            self._spawn(name)
        self._serve(lambda: self.coordinator.may_begin)
        self.records.begin()  # not before: what cannot begin leaves everything as it was
        self.records.data(described(self.task))
        if not resumed:
            self._open_replay()
        saved = None
        if self.checkpoint is not None:
            saved = read_coordinator_state(checkpoints.read_state(self.checkpoint), str(self.checkpoint))
        now = time.monotonic()
        commands = self.coordinator.begin(self.replay, now, saved)
        self.flow.note(now, commands)
        self._carry_out(commands)

    def _open_replay(self) -> None:
        self.replay = make_replay(self.run, self.records.directory / BUFFER)

    def _spawn(self, name: str) -> None:
        child = self.supervisor.start(self.coordinator.workers[name])
        self._tell(m.WorkerStarted(name, child.label))

    def _serve(self, done: Callable[[], bool]) -> None:
        """Pass messages and commands on until `done`.

        Raises:
            Stopped: the run was asked to end.
        """
        ticked = time.monotonic()
        while not done():
            for child, message in self.supervisor.listen(_TICK):
                for told in self._translated(child, message):
                    self._tell(told)
            for name in self.supervisor.due():
                self._spawn(name)
            if self.stop.requested is not None:
                self._tell(m.StopRequested())
            if time.monotonic() - ticked > _TICK:
                ticked = time.monotonic()
                self._tell(m.Tick(self.supervisor.speaking()))
            if self.coordinator.outcome == "stopped":
                raise self.stop.stopped(self.records.directory, self.coordinator.steps, self.coordinator.saved_step)

    # Talking with the coordinator

    def _tell(self, message: m.Message) -> None:
        now = time.monotonic()
        commands = self.coordinator.handle(message, now)
        self.flow.note(now, commands, message)
        self._carry_out(commands)

    def _carry_out(self, commands: Sequence[c.Command]) -> None:
        for command in commands:
            self._commands[type(command)](command)

    def _translated(self, child: Child, message: wire.Up | Gone) -> list[m.Message]:
        """A process's message in the words of the coordinator."""
        match message:
            case Gone(why):
                return [m.WorkerLost(child.name, why)]
            case wire.Placed():
                return [m.WorkerStarted(child.name, child.label)]
            case wire.Built():
                return [m.WorkerReady(child.name)]
            case wire.FoundBytes(trajectories):
                return self._found(child.name, [from_bytes(t) for t in trajectories])
            case wire.StillWaiting(what, seconds):
                self.records.show("waiting", {"who": child.name, "what": what, "seconds": seconds})
                return [m.Waiting(child.name, what, seconds)]
            case wire.ScoreThese(trajectories):
                scores, held = self._scores([from_bytes(t) for t in trajectories])
                sent = [wire.SentScore(s.value, dict(s.parts), s.error, s.read, s.read_from) for s in scores]
                child.tell(wire.Scores(sent))
                return [held]
            case wire.Drawn(busy, idle, gap):
                return [m.Compared(gap), m.BatchDone(child.name, busy, idle)]
            case m.Saved("checkpoint"):
                self._seal()
                return [message]
            case m.Published() | m.Stepped() | m.Evaluated() | m.Saved():
                return [message]
            case wire.Failed():
                raise AssertionError("the supervisor reports a failed process as gone")

    def _found(self, name: str, found: list[Trajectory]) -> list[m.Message]:
        """A searcher's trajectories, scored where a bare callable does that: here."""
        if self.reward is None:
            return [m.Found(name, found)]
        scores, held = self._scores(found)
        return [held, m.Found(name, attach_scores(found, scores))]

    def _scores(self, found: Sequence[Trajectory]) -> tuple[list[Score], m.Held]:
        """The callable's scores, and for how long everybody was held up by it."""
        assert self.reward is not None
        began = time.monotonic()
        episodes = [Episode.of(self._by_id[t.prompt_id], t.info["completion"], t) for t in found]
        scores = scores_of(episodes, self.reward)
        return scores, m.Held(time.monotonic() - began)

    def _seal(self) -> None:
        """The learner has written its part of a checkpoint: add the rest."""
        assert self._part is not None
        state = msgspec.to_builtins(self.coordinator.state())
        checkpoints.write_state(self._part, {"runtime": self.runtime, **state, "records": self.records.sizes()})
        checkpoints.conclude(self._part, self.run.keep_checkpoints, self.replay)
        self._part = None

    # Commands

    def _child(self, name: str, message: wire.Down) -> None:
        """Tell a process. One that is being replaced is told when it is back: the coordinator sees it come."""
        child = self.supervisor.children.get(name)
        if child is not None:
            child.tell(message)

    def _assign(self, command: c.Assign) -> None:
        heat = self.run.rung(searcher_number(command.worker))
        self._child(command.worker, wire.Draw([(a.prompt, a.sample) for a in command.assignments], heat))

    def _feed(self, command: c.Feed) -> None:
        groups = [[to_bytes(t) for t in group] for group in command.groups]
        self._child("learner", wire.TrainOn(groups, command.publish))

    def _write(self, command: c.Write) -> None:
        """A row; that of the times with how samples flow, as the driver sees it."""
        flowing = self.flow.look(time.process_time()) if command.file == "timing" else None
        if flowing is None:
            self.records.write(command.file, command.row)
            return
        self.records.write(command.file, {**command.row, **flowing.row})
        if flowing.wrong and not self._miscounted:
            self._miscounted = True
            self.records.fault("the run's books", flowing.warning, step=self.coordinator.steps)

    def _save(self, command: c.Save) -> None:
        directory = self.records.directory
        if command.what == "checkpoint":
            directory = self._part = checkpoints.begin(directory, self.coordinator.steps)
        self._child("learner", wire.SaveInto(command.what, str(directory.absolute())))

    def _close(self, *, at_once: bool = False) -> None:
        """End every process and close the file, whatever happened."""
        if hasattr(self, "supervisor"):
            self.supervisor.dismiss(at_once=at_once)
        if hasattr(self, "replay"):
            self.replay.close()


def profile_of(run: Run, *, late_searchers: bool = False) -> Profile:
    """Processes of their own, as the coordinator has to know them."""
    return Profile(
        late_searchers=late_searchers,
        batches_ahead=2,
        deadline=run.local.deadline,
        deadline_flag="--local.deadline",
        silence_deadline=run.local.deadline,
        start_deadline=run.local.start_deadline,
        search_deadline=run.local.search_deadline,
    )
