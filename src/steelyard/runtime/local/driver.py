"""The local runtime: searchers, learner and evaluator in child processes, the buffer here, no barrier anywhere.

This process owns the replay buffer and the run's records. It answers messages as they come: trajectories go into the
buffer, a learner that wants groups gets them as soon as replay has them, a searcher always has its next batch waiting.
Weights do not pass through here: the learner publishes into shared memory and searchers look there.

What is stored here survives everybody's death. A resumed run keeps every trajectory that was ever accepted, goes back
with the learner to its checkpoint, and draws again what searchers had not delivered. Its weights get version numbers
that the run has never used, so that a version names one set of weights for ever.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.core import Episode, Replay, Reward, StallError, Stopped, Trajectory, from_bytes, to_bytes
from steelyard.runtime.factories import BUFFER, make_replay, make_task
from steelyard.runtime.failures import Failures
from steelyard.runtime.local.children import Child, Plan
from steelyard.runtime.local.messages import (
    Assign,
    Found,
    Go,
    Groups,
    Measure,
    Measured,
    Published,
    Ready,
    Save,
    Saved,
    Searched,
    Stepped,
)
from steelyard.runtime.local.shared import unnamed_file
from steelyard.runtime.local.supervisor import Crew, Lost
from steelyard.runtime.prompt_scheduler import Assigner
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir import checkpoint as checkpoints
from steelyard.runtime.run_dir.records import Records
from steelyard.runtime.run_statistics import Tally
from steelyard.runtime.stopping import Stop, stop_signals
from steelyard.runtime.timers import Watches
from steelyard.searcher import Assignment, attach_scores

_AHEAD = 2  # batches that a searcher holds: the one it draws and the next, so that it never waits for a message
_LAST_WORD = 6.0  # seconds that a run which was asked to stop gives its learner for a last checkpoint


class Local:
    """One run in processes of its own.

    Args:
        run: the settings.
        records: where rows go.
        reward: a bare callable's verifier; it scores here, in the calling process.
        checkpoint: what the learner goes on from; None begins at step 0, with whatever the directory's buffer holds.
    """

    def __init__(
        self, run: Run, records: Records, reward: Reward | None = None, checkpoint: Path | None = None
    ) -> None:
        self.run = run
        self.records = records
        self.reward = reward
        self.checkpoint = checkpoint
        self.tally = Tally()
        self.watches = Watches()
        self.failures = Failures(run.restarts)
        self.prompts = make_task(run, reward).prompts("train")
        self._places = {p.id: i for i, p in enumerate(self.prompts)}
        self.assigner = Assigner(run, self.prompts)
        self.replay: Replay
        self.crew: Crew
        self.steps = self.version = self._first_version = 0
        self._saved_step: int | None = None
        self._part: Path | None = None
        self.stop = Stop()
        self.begun = False
        """The children are built, and what they do counts."""
        self._measuring = self._model_saved = self._winding_down = False
        self._measured_step = -1
        self._parity: dict[str, float | None] = {}
        self._handlers: dict[type, Callable[[Child, Any], None]] = {
            Ready: self._ready,
            Published: self._published,
            Found: self._found,
            Searched: self._searched,
            Stepped: self._stepped,
            Measured: self._measured,
            Saved: self._saved,
        }

    def train(self) -> dict[str, Any]:
        """Run to the last step; returns the summary. No child outlives this call.

        Raises:
            Stopped: a signal asked for it.
            FaultError: the learner died, others died too often, or somebody waited for too long.
        """
        shared = (unnamed_file(), unnamed_file())
        with stop_signals() as self.stop:
            try:
                self._start(*shared)
                self._serve(lambda: self.steps >= self.run.max_steps, "learner")
                self.watches.finish()
                for child in self.crew.of("searcher"):
                    child.stop()
                self._finish()
            except (KeyboardInterrupt, Stopped):  # all that a child could still save is saved
                self._close(shared, at_once=True)
                raise
            except BaseException:  # whatever it was, no child outlives this call
                self._close(shared)
                raise
            self._close(shared)
        summary = {**self.tally.result(), "searcher_pids": self.pids, **self.watches.result()}
        return summary | {"restarts": self.failures.total}

    @property
    def pids(self) -> list[int]:
        """Process ids of the searchers."""
        return [child.process.pid for child in self.crew.of("searcher")]

    # From the start to the first step

    def _start(self, weights: int, references: int) -> None:
        """Start the children, wait until all are built, and let them begin."""
        resumed = (self.records.directory / BUFFER).exists()
        if resumed:
            self._open_replay()
        plan = Plan(
            self.run, weights, references, self.reward is None, version=self._first_version, checkpoint=self.checkpoint
        )
        self.crew = Crew(plan, self.failures, self._lost)
        self.crew.start()
        self._serve(lambda: self.crew.whole, "children to load their models")
        self.records.begin()  # not before: what cannot begin leaves everything as it was
        if not resumed:
            self._open_replay()
        self._restore()
        self.replay.publish(*self._first)
        self.begun = True
        self.watches.start()
        self._measuring = self._measured_step != self.steps  # the evaluator is asked when it is let in
        for child in self.crew.children:
            self._admit(child)

    def _open_replay(self) -> None:
        self.replay = make_replay(self.run, self.records.directory / BUFFER)
        newest = self.replay.newest_version()
        self.version = self._first_version = 0 if newest is None else newest + 1

    def _restore(self) -> None:
        """Go back to the checkpoint with all but what the buffer holds."""
        state = None if self.checkpoint is None else checkpoints.read_state(self.checkpoint)
        before = None if state is None else state["replay"]
        self.replay.restore(before, keep_later=True)
        if state is not None:
            self.steps = self._saved_step = state["steps"]
            self.assigner.restore(state["assigner"])
            self.assigner.give_back(Assignment(*pair) for pair in state["undone"])
            self.tally.restore(state["tally"])
            self.watches.restore(state["watches"])
            self._measured_step = state["measured_step"]
            self.failures.total = state["restarts"]
        self.assigner.skip((self._places[prompt], sample) for prompt, sample in self.replay.taken_since(before))

    def _state(self) -> dict[str, Any]:
        """All that a resume needs beside the learner's own files and the buffer."""
        undone = [pair for child in self.crew.of("searcher") for pair in child.undone()]
        return {
            "runtime": "local",
            "steps": self.steps,
            "version": self.version,
            "assigner": self.assigner.state(),
            "undone": undone,
            "tally": self.tally.state(),
            "watches": self.watches.state(),
            "measured_step": self._measured_step,
            "restarts": self.failures.total,
            "replay": self.replay.state(),
            "records": self.records.sizes(),
        }

    # The loop

    def _serve(self, done: Callable[[], bool], waiter: str) -> None:
        """Answer messages until `done`; a silence longer than the deadline ends the run with a name.

        Raises:
            Stopped: the run was asked to end.
        """
        self._heard = time.monotonic()
        while not done():
            for child, message in self.crew.listen(timeout=0.2):
                self._handlers[type(message)](child, message)
                if isinstance(message, Stepped | Measured | Saved | Ready):
                    self._heard = time.monotonic()
            self.crew.tend()
            self._check_stall(waiter)
            if self.stop.requested is not None:
                self._wind_down()

    def _check_stall(self, waiter: str) -> None:
        now = time.monotonic()
        limit = self.run.local.deadline
        waited = self.watches.waited()
        if waited > limit:
            raise StallError(
                f"no batch for {waited:.0f} s ({self.tally.why_no_batch(self.replay.metrics())}; {self._who()})",
                where="learner waits for searchers",
                hint="look at the rewards and at --max-staleness, or raise --local.deadline",
            )
        # Before the run has begun, each child's own start deadline holds.
        if self.begun and now - self._heard > limit:
            raise StallError(
                f"nothing for {now - self._heard:.0f} s ({self._who()})",
                where=f"supervisor waits for the {waiter}",
                hint="raise --local.deadline",
            )

    def _who(self) -> str:
        """What each searcher is doing, for the message of a stall."""
        now = time.monotonic()
        busy = [
            f"{child.name} silent for {now - child.heard:.0f} s with {len(child.undone())} samples to draw"
            for child in self.crew.of("searcher")
        ]
        return "; ".join(busy) or "no searcher is alive"

    # Searchers

    def _ready(self, child: Child, _: Ready) -> None:
        child.ready = True
        if self.begun:  # it takes the place of one that was lost
            self._admit(child)

    def _admit(self, child: Child) -> None:
        child.tell(Go())
        if child.role == "searcher" and self.steps < self.run.max_steps:
            for _ in range(_AHEAD):
                self._assign(child)
        elif child.role == "evaluator" and self._measuring:
            child.tell(Measure())

    def _assign(self, child: Child) -> None:
        items = [(a.prompt, a.sample) for a in self.assigner.next()]
        if not child.busy:
            child.heard = time.monotonic()
        child.work.append(items)
        child.tell(Assign(items))

    def _lost(self, lost: Lost) -> None:
        """A searcher's undone work is drawn by whoever asks next."""
        self.assigner.give_back(Assignment(*pair) for pair in lost.child.undone())
        if self.begun:
            now = {"step": self.steps, "seconds": self.watches.seconds()}
            self.records.fault(lost.child.label, lost.why, **now, again_in=lost.again_in)

    def _found(self, child: Child, message: Found) -> None:
        trajectories = [from_bytes(t) for t in message.trajectories]
        if self.reward is not None:
            trajectories = self._score(trajectories)
        self.tally.found(trajectories)
        self.records.quarantine(trajectories)
        self.replay.add(trajectories, version=self.version)
        self.assigner.deliver(trajectories)
        child.delivered({(self._places[t.prompt_id], t.sample) for t in trajectories})
        self._feed()

    def _score(self, trajectories: list[Trajectory]) -> list[Trajectory]:
        assert self.reward is not None
        episodes = [Episode(self.prompts[self._places[t.prompt_id]], t.info["completion"], t) for t in trajectories]
        return attach_scores(trajectories, self.reward(episodes))

    def _searched(self, child: Child, message: Searched) -> None:
        child.work.popleft()
        self.watches.searched(message.busy, message.idle)
        mean, largest = message.parity or (None, None)
        self._parity = {"search/logp_mismatch_mean": mean, "search/logp_mismatch_max": largest}
        if self.steps < self.run.max_steps and not self._winding_down:
            self._assign(child)

    # Learner

    def _published(self, _: Child, message: Published) -> None:
        if self.begun:
            self.replay.publish(message.version, message.digest)
        else:
            self._first = (message.version, message.digest)

    def _stepped(self, _: Child, message: Stepped) -> None:
        """The learner has made a step, or says hello, and wants the next groups."""
        self.steps = message.steps
        self.version = message.version
        self.watches.stepped(message.idle)
        if message.metrics is not None:
            self._record(self.tally.stepped(message.metrics))
            if self.steps % self.run.evaluation.every == 0 and self.steps < self.run.max_steps:
                self._measure()
            if self._winding_down or (self.run.save_steps and self.steps % self.run.save_steps == 0):
                self._save_checkpoint()
        self._feed()

    def _record(self, metrics: dict[str, Any]) -> None:
        row = {"step": self.steps, "version": self.version, "clock": None, **metrics, **self._parity}
        row |= {**self.replay.metrics(), "faults/restarts": self.failures.total}
        self.records.write("metrics", row)
        self.records.write("timing", self.watches.row(self.steps, self.tally.trajectories))

    def _feed(self) -> None:
        """Give a waiting learner its groups, if replay has them and nothing else is asked of it."""
        if not self.watches.waiting or self._part is not None or self._winding_down:
            return
        if self.steps >= self.run.max_steps:
            return
        groups = self.replay.sample(
            self.run.num_prompts, self.run.num_generations, version=self.version, draw=self.version
        )
        if groups is not None:
            self.watches.fed()
            self.crew.learner.tell(Groups([[to_bytes(t) for t in group] for group in groups]))

    # Evaluator

    def _measure(self) -> None:
        """Ask for an evaluation, unless one is still going."""
        if not self._measuring:
            self._measuring = True
            for child in self.crew.of("evaluator"):  # none while it is started again; it is asked when it is ready
                if child.ready:
                    child.tell(Measure())

    def _measured(self, _: Child, message: Measured) -> None:
        self._measuring = False
        self.watches.measured(message.busy)
        # The evaluator knows versions; steps differ from them after a resume.
        step = self._measured_step = self.steps - (self.version - message.row["version"])
        row = {**message.row, "step": step}
        self.tally.evaluated(row)
        self.records.write("eval", row)
        for sample in message.samples:
            self.records.write("samples", {**sample, "step": step})

    # Checkpoints and the end

    def _save_checkpoint(self) -> None:
        """Ask the learner for its part of a checkpoint; `_saved` adds the rest."""
        self._part = checkpoints.begin(self.records.directory, self.steps)
        self.crew.learner.tell(Save("checkpoint", str(self._part)))

    def _saved(self, _: Child, message: Saved) -> None:
        if message.what == "model":
            self._model_saved = True
            return
        assert self._part is not None
        checkpoints.write_state(self._part, self._state())
        checkpoints.conclude(self._part, self.run.keep_checkpoints, self.replay)
        self._part = None
        self._saved_step = self.steps
        self._feed()

    def _finish(self) -> None:
        """Save the model and measure the last weights; the learner has published them before it said so."""
        self.watches.fed()
        self.crew.learner.tell(Save("model", str(self.records.directory)))
        self._serve(lambda: self._model_saved, "learner to save the model")
        self._serve(lambda: not self._measuring, "evaluator")
        if self._measured_step != self.steps:
            self._measure()
            self._serve(lambda: not self._measuring, "evaluator")

    def _wind_down(self) -> None:
        """End the run as asked: a last checkpoint, if the learner comes to it in time."""
        if not self._winding_down:
            self._winding_down = True
            self._asked = time.monotonic()
            for child in (*self.crew.of("searcher"), *self.crew.of("evaluator")):
                child.stop()
            if self.begun and self.watches.waiting and self._part is None and self._saved_step != self.steps:
                self._save_checkpoint()
        late = time.monotonic() - self._asked > _LAST_WORD
        if not self.begun or late or (self._part is None and self._saved_step == self.steps):
            raise self.stop.stopped(self.records.directory, self.steps, self._saved_step)

    def _close(self, shared: tuple[int, int], *, at_once: bool = False) -> None:
        """End every child and give back memory and file, whatever happened."""
        if hasattr(self, "crew"):
            self.crew.dismiss(at_once=at_once)
        if hasattr(self, "replay"):
            self.replay.close()
        for descriptor in shared:
            os.close(descriptor)
