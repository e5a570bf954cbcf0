"""The coordinator alone: what holds under any order of messages, losses, stops and resumes; then examples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from steelyard.core import FaultError, Prompt, Replay, Sampling, StallError, Trajectory
from steelyard.objective import Reinforce
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime.coordinator import Coordinator, CoordinatorState, Profile
from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.run import HeldOut, Restarts, Run
from steelyard.searcher import Assignment
from steelyard.task import Enumerable

PROMPTS = [Prompt(f"p{i}", f"p{i}") for i in range(5)]
PROFILE = Profile(
    batches_ahead=2, deadline=50.0, silence_deadline=90.0, start_deadline=30.0, search_deadline=20.0, last_word=6.0
)
RUN = Run(
    task=Enumerable(), objective=Reinforce(), model="none", num_searchers=2, max_steps=6, num_prompts=2,
    num_generations=2, search_prompts=2, max_staleness=1, save_steps=2, weight_sync_steps=2,
    evaluation=HeldOut(every=2, prompts=1), restarts=Restarts(limit=10**6),
)  # fmt: skip
RUNS = [
    RUN,
    replace(RUN, weight_sync_steps=1),
    replace(RUN, max_steps=2, save_steps=1, evaluation=HeldOut(every=1, prompts=1)),
]
"""The last one comes to its end, and has every save and evaluation close to the next."""
REPLAYS = [
    PrioritizedReplay(), PrioritizedReplay(over_age="wait"), SingleUse(), SingleUse(over_age="wait"),
]  # fmt: skip


def digest(version: int) -> str:
    return f"weights-{version}"


def trajectory(assignment: Assignment, version: int, *, known: bool = True, reward: float | None = 1.0) -> Trajectory:
    """The sample that was asked for; its second token tells it from the others of its prompt."""
    tokens_T = np.array([1, 2 + assignment.sample], np.int32)
    return Trajectory(
        f"p{assignment.prompt}", tokens_T, np.array([False, True]), np.zeros(2, np.float32), version,
        digest(version) if known else "other weights", Sampling(), "stop", assignment.sample, reward=reward,
    )  # fmt: skip


def batch_metrics(groups: Sequence[Sequence[Trajectory]], version: int) -> dict[str, Any]:
    return {"batch/staleness": dict(Counter(version - t.version for group in groups for t in group))}


class Driver(RuleBasedStateMachine):
    """Plays a runtime in which anything may happen at any time, and keeps books of its own."""

    @initialize(
        replay=st.sampled_from(REPLAYS), run=st.sampled_from(RUNS), ending=st.sampled_from(["silence", "work", "stop"])
    )
    def start(self, replay: Any, run: Run, ending: str) -> None:
        self.ending = ending
        self.run = replace(run, replay=replay)
        self.replay: Replay = replay.open(seed=0, max_staleness=run.max_staleness, path=None)
        self.now = 0.0
        self.handed: set[Assignment] = set()
        self.accepted: set[Assignment] = set()
        self.arrived: list[tuple[str, list[Trajectory]]] = []
        self.published = [0]
        self.saved: bytes | None = None
        self.saved_accepted: set[Assignment] = set()
        self.saved_waiting: set[Assignment] = set()
        self.saved_steps = 0
        self.restarting: set[str] = set()
        self.stopped = False
        self.stopped_at = 0.0
        self.waiting_from = 0.0
        self.model_saved = False
        self.evaluated: int | None = None
        self.steps_on_record: list[int] = []
        self.learner = (0, 0)
        self.open()

    def open(self) -> None:
        """A process of the run, from its start."""
        self.coordinator = Coordinator(self.run, PROMPTS, PROFILE)
        self.fed: c.Feed | None = None
        self.saving: list[str] = []
        self.evaluating = 0
        self.stopped = False
        self.model_saved = False
        self.ended: set[str] = set()
        self.restarting.clear()
        self.steps_on_record = [s for s in self.steps_on_record if s <= self.saved_steps]
        version = self.learner[1]
        self.tell(m.Published(version, digest(version)))
        for name in self.coordinator.workers:
            self.tell(m.WorkerStarted(name, name))
            self.tell(m.WorkerReady(name))
        saved = None if self.saved is None else msgspec.json.decode(self.saved, type=CoordinatorState)
        self.obey(self.coordinator.begin(self.replay, self.now, saved))
        self.waiting_from = self.now
        self.tell(m.Stepped(*self.learner, None, 0.0))

    def tell(self, message: m.Message) -> None:
        self.obey(self.coordinator.handle(message, self.now))

    def obey(self, commands: Sequence[c.Command]) -> None:
        for command in commands:
            match command:
                case c.Assign(_, assignments):
                    assert not {*assignments} & self.accepted, "what was accepted is not drawn again"
                    assert not self.stopped, "a run that was stopped draws nothing"
                    assert self.coordinator.steps < self.run.max_steps, "after the last step nothing is drawn"
                    self.handed |= {*assignments}
                case c.Feed(groups):
                    assert self.fed is None, "the learner has groups already"
                    assert self.coordinator.steps < self.run.max_steps
                    assert not self.stopped, "a run that was stopped makes no step"
                    assert "checkpoint" not in self.saving, "what is saved stands still"
                    assert all(self.learner[1] - t.version <= 1 for group in groups for t in group), "beyond the bound"
                    self.fed = command
                case c.Save(what):
                    self.saving.append(what)
                case c.Evaluate():
                    self.evaluating += 1
                    assert self.evaluating == 1, "one evaluation at a time"
                case c.EndWorker(worker):
                    self.ended.add(worker)
                case c.Restart(worker):
                    assert worker not in self.ended, "who was sent home is not called back"
                    self.restarting.add(worker)
                    self.evaluating = 0 if worker == "evaluator" else self.evaluating
                case c.Write("metrics", row):
                    self.steps_on_record.append(row["step"])
                case c.Show(version):
                    assert version == self.published[-1]
                    assert self.replay.knows(trajectory(Assignment(0, 0), version)), "what is shown is in the ledger"
                case _:
                    pass

    def searcher(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(["searcher 0", "searcher 1"]))

    def waiting(self) -> list[Assignment]:
        """What searchers owe, and what is to be handed out again."""
        owed = [a for worker in self.coordinator.of("searcher") for a in worker.owed()]
        return [*owed, *(Assignment(*pair) for pair in self.coordinator.scheduler.state()["returned"])]

    def stored(self) -> set[Assignment]:
        """What replay has taken in."""
        return {Assignment(int(prompt[1:]), sample) for prompt, sample in self.replay.admitted_since(None)}

    @property
    def going(self) -> bool:
        return self.coordinator.outcome is None

    # What workers do

    @precondition(lambda self: self.going)
    @rule(data=st.data(), share=st.sampled_from([0.5, 1.0]), kind=st.sampled_from(["good"] * 4 + ["unknown", "failed"]))
    def deliver(self, data: st.DataObject, share: float, kind: str) -> None:
        name = self.searcher(data)
        owed = self.coordinator.workers[name].owed()
        some = owed[: max(1, int(share * len(owed)))]
        version = data.draw(st.sampled_from(self.published[-2:]))
        reward = None if kind == "failed" else float(len(self.accepted) % 7)
        found = [trajectory(a, version, known=kind != "unknown", reward=reward) for a in some]
        if name in self.restarting:
            found = []
        if kind != "unknown":
            self.accepted |= {*some} if found else set()
        self.arrived.append((name, found))
        self.tell(m.Found(name, found))

    @precondition(lambda self: self.going and self.arrived)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """A message that comes twice, late, or from a worker that was given up changes nothing."""
        name, found = data.draw(st.sampled_from(self.arrived))
        owed = {*self.coordinator.workers[name].owed()}
        found = [t for t in found if Assignment(int(t.prompt_id[1:]), t.sample) not in owed]
        before = (self.coordinator.statistics.trajectories, self.replay.metrics())
        self.tell(m.Found(name, found))
        assert (self.coordinator.statistics.trajectories, self.replay.metrics()) == before

    @precondition(lambda self: self.going)
    @rule(data=st.data())
    def finish_batch(self, data: st.DataObject) -> None:
        name = self.searcher(data)
        if name not in self.restarting:
            self.tell(m.BatchDone(name, 1.0, 0.0))

    @precondition(lambda self: self.going)
    @rule(data=st.data(), name=st.sampled_from(["searcher 0", "searcher 1", "evaluator"]))
    def lose(self, data: st.DataObject, name: str) -> None:
        self.tell(m.WorkerLost(name, "died"))

    @precondition(lambda self: self.going and self.restarting)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.restarting)))
        self.restarting.discard(name)
        self.tell(m.WorkerStarted(name, name))
        self.tell(m.WorkerReady(name))

    @precondition(lambda self: self.going)
    @rule(data=st.data())
    def start_anew(self, data: st.DataObject) -> None:
        """A searcher begins again before anybody has seen that it was gone."""
        name = self.searcher(data)
        if name not in self.restarting:
            self.tell(m.WorkerStarted(name, name))
            self.tell(m.WorkerReady(name))

    @precondition(lambda self: self.going and self.fed is not None)
    @rule()
    def step(self) -> None:
        fed = self.fed
        assert fed is not None
        self.fed = None
        steps, version = self.learner
        metrics = batch_metrics(fed.groups, version)
        self.learner = (steps + 1, version + 1)
        if fed.publish:
            self.published.append(version + 1)
            self.tell(m.Published(version + 1, digest(version + 1)))
        self.waiting_from = self.now
        self.tell(m.Stepped(*self.learner, metrics, 0.5))

    @precondition(lambda self: self.going and self.evaluating)
    @rule()
    def evaluate(self) -> None:
        self.evaluating = 0
        self.evaluated = self.published[-1]
        self.tell(m.Evaluated({"version": self.published[-1], "step": 0}, [], 1.0))

    @precondition(lambda self: self.going and self.saving)
    @rule()
    def save(self) -> None:
        what = self.saving.pop(0)
        if what == "checkpoint":
            self.saved = msgspec.json.encode(self.coordinator.state())
            self.saved_steps = self.coordinator.steps
            self.saved_accepted = {*self.accepted}
            self.saved_waiting = {*self.waiting()}
        self.model_saved = what == "model"
        self.tell(m.Saved("model" if what == "model" else "checkpoint"))

    # What befalls the run

    @precondition(lambda self: self.going)
    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        try:
            self.tell(m.Tick())
        except StallError as stall:
            assert "waits for" in stall.where
            self.crash()

    @precondition(lambda self: self.going)
    @rule(sure=st.integers(0, 9))
    def stop(self, sure: int) -> None:
        if sure == 0:
            self.stopped_at = self.stopped_at if self.stopped else self.now
            self.stopped = True
            self.tell(m.StopRequested())

    @rule()
    def crash(self) -> None:
        """The process dies: a resume goes back to the checkpoint with all but what replay holds."""
        newest = self.replay.newest_version()
        assert newest is not None
        self.accepted = self.saved_accepted | (self.accepted & self.stored())
        self.handed = {*self.accepted}
        self.learner = (self.saved_steps, newest + 1)
        self.published.append(newest + 1)
        self.open()
        self.handed |= {*self.waiting()}
        assert self.saved_waiting <= self.handed, "what the checkpoint owed is drawn again, or has been stored since"

    # What must hold

    @invariant()
    def nothing_is_lost_or_counted_twice(self) -> None:
        taken = self.replay.admitted_since(None)
        assert len(taken) == len({*taken}), "nothing is stored twice"
        waiting = self.waiting()
        assert len(waiting) == len({*waiting}), "nothing is handed out twice"
        assert not {*waiting} & self.accepted, "what was accepted is not wanted"
        assert {*waiting} | self.accepted == self.handed, "nothing that was handed out is lost"
        groups = self.coordinator.scheduler.state()["groups"]
        awaited = {Assignment(group["prompt"], sample) for group in groups for sample in group["missing"]}
        assert not awaited & self.accepted, "the curriculum does not wait for what has come"
        assert self.stored() <= self.accepted
        counts = self.replay.metrics()
        queue = isinstance(self.run.replay, SingleUse)  # a queue admits errors too
        errors = 0 if queue else counts["replay/errors"]
        if self.saved is None:
            assert (
                self.coordinator.statistics.trajectories
                <= counts["replay/admitted"] + errors + counts["replay/refused"]
            )

    @invariant()
    def versions_and_steps_rise(self) -> None:
        assert self.published == sorted({*self.published})
        assert self.steps_on_record == [*range(1, len(self.steps_on_record) + 1)]

    @invariant()
    def an_end_is_a_whole_one(self) -> None:
        if self.coordinator.outcome == "finished":
            assert self.coordinator.steps == self.run.max_steps
            assert self.model_saved, "the model is saved"
            assert self.evaluated == self.learner[1], "the last weights are evaluated"
        if self.coordinator.outcome == "stopped":
            late = self.now > self.stopped_at + PROFILE.last_word
            kept = self.saved is not None and self.saved_steps == self.coordinator.steps
            assert late or kept, "a stop waits for its checkpoint"

    def teardown(self) -> None:
        """Whatever the state: with workers that work the run ends, and with silent ones somebody is named."""
        if not hasattr(self, "coordinator"):
            return
        self.say_nothing() if self.ending == "silence" else self.play_fair()

    def play_fair(self) -> None:
        """Everybody answers at once from now on."""
        for turn in range(60):
            if not self.going:
                return self.an_end_is_a_whole_one()
            self.answer()
            if self.going and self.ending == "stop" and turn == 1:
                self.stop(0)
            self.nothing_is_lost_or_counted_twice()
        raise AssertionError(f"no end at step {self.coordinator.steps}")

    def answer(self) -> None:
        """One turn of each worker, of good data."""
        for name in sorted(self.restarting):
            self.restarting.discard(name)
            self.tell(m.WorkerStarted(name, name))
            self.tell(m.WorkerReady(name))
        for worker in self.coordinator.of("searcher"):
            found = [trajectory(a, self.published[-1], reward=float(a.sample % 2)) for a in worker.owed()]
            self.accepted |= {Assignment(int(t.prompt_id[1:]), t.sample) for t in found}
            self.tell(m.Found(worker.name, found))
            self.tell(m.BatchDone(worker.name, 1.0, 0.0))
        while self.going and self.saving:
            self.save()
        if self.going and self.fed is not None:
            self.step()
        if self.going and self.evaluating:
            self.evaluate()

    def say_nothing(self) -> None:
        for _ in range(40):
            if not self.going:
                return
            self.now += 10.0
            try:
                self.tell(m.Tick())
            except FaultError as fault:
                assert any(name in fault.where for name in ("learner", "evaluator", "searcher")), fault
                return
            waits = self.fed is None and not self.stopped and self.coordinator.steps < self.run.max_steps
            assert not waits or self.now <= self.waiting_from + PROFILE.deadline, "the learner's wait has a deadline"
        raise AssertionError("a wait without an owner")


Driver.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder = Driver.TestCase


# Examples, worked by hand


def begun(run: Run = RUN, profile: Profile = PROFILE) -> tuple[Coordinator, list[c.Command]]:
    """A run in which everybody is ready and the learner waits; its first assignments."""
    coordinator = Coordinator(run, PROMPTS, profile)
    coordinator.handle(m.Published(0, digest(0)), 0.0)
    for name in coordinator.workers:
        coordinator.handle(m.WorkerReady(name), 0.0)
    replay = PrioritizedReplay().open(seed=0, max_staleness=run.max_staleness, path=None)
    commands = coordinator.begin(replay, 0.0)
    coordinator.handle(m.Stepped(0, 0, None, 0.0), 0.0)
    return coordinator, commands


def test_at_the_start_everybody_is_let_in_and_searchers_get_two_batches() -> None:
    coordinator, commands = begun()
    assert [command.worker for command in commands if isinstance(command, c.Admit)] == [*coordinator.workers]
    given = [command for command in commands if isinstance(command, c.Assign)]
    assert [command.worker for command in given] == ["searcher 0"] * 2 + ["searcher 1"] * 2
    assert all(len(command.assignments) == 4 for command in given), "two prompts, two samples of each"
    assert commands.count(c.Evaluate(0)) == 1, "the first weights are evaluated"


def test_an_evaluation_names_its_version_also_to_an_evaluator_that_comes_back() -> None:
    coordinator, _ = begun()
    owed = coordinator.workers["searcher 0"].owed()
    coordinator.handle(m.Found("searcher 0", [trajectory(a, 0) for a in owed]), 1.0)
    coordinator.handle(m.Stepped(1, 1, {"batch/staleness": {"0": 4}}, 0.0), 2.0)
    coordinator.handle(m.WorkerLost("evaluator", "is gone"), 3.0)
    coordinator.handle(m.WorkerStarted("evaluator", "evaluator"), 4.0)
    again = coordinator.handle(m.WorkerReady("evaluator"), 5.0)
    assert again == [c.Admit("evaluator"), c.Evaluate(0)], "the first weights, though the learner has others by now"


def test_a_step_is_reported_to_replay_before_the_next_groups_are_drawn() -> None:
    """A share of 1/2 at age 1 falls by log 2 a version: of the ages 0 to 3 a bound of .3 lets in 0 and 1."""
    told = {"batch/staleness": {"1": 1}, "batch/staleness_mean": 1.0, "learner/ess": 0.5}
    run = replace(RUN, max_staleness=None, num_prompts=1, num_generations=1, save_steps=0)
    seen: set[int] = set()
    for seed in range(20):
        coordinator = Coordinator(run, PROMPTS, PROFILE)
        coordinator.handle(m.Published(3, digest(3)), 0.0)
        for name in coordinator.workers:
            coordinator.handle(m.WorkerReady(name), 0.0)
        replay = PrioritizedReplay(recent_probability=0.0, min_ess=0.3).open(seed=seed)
        replay.publish_all({version: digest(version) for version in range(4)})
        replay.add([trajectory(Assignment(p, 90), p) for p in range(4)], version=3)
        coordinator.begin(replay, 0.0)
        out = coordinator.handle(m.Stepped(1, 3, told, 0.0), 1.0)
        [fed] = [command for command in out if isinstance(command, c.Feed)]
        seen |= {t.version for group in fed.groups for t in group}
        [row] = [command.row for command in out if isinstance(command, c.Write) and command.file == "metrics"]
        assert row["replay/ess_age"] == 1
    assert seen == {2, 3}


def test_a_run_may_begin_with_the_first_of_its_searchers_and_another_joins_it() -> None:
    coordinator = Coordinator(RUN, PROMPTS, replace(PROFILE, late_searchers=True))
    patient = Coordinator(RUN, PROMPTS, PROFILE)
    for each in (coordinator, patient):
        each.handle(m.Published(0, digest(0)), 0.0)
        for name in ("learner", "searcher 0"):
            each.handle(m.WorkerReady(name), 0.0)
        assert not each.may_begin
        each.handle(m.WorkerReady("evaluator"), 0.0)
    assert coordinator.may_begin
    assert not patient.may_begin, "where all start together it waits for all"
    replay = PrioritizedReplay().open(seed=0, max_staleness=RUN.max_staleness, path=None)
    given = [command for command in coordinator.begin(replay, 0.0) if isinstance(command, c.Assign)]
    assert {command.worker for command in given} == {"searcher 0"}
    admitted, *joined = coordinator.handle(m.WorkerReady("searcher 1"), 1.0)
    assert admitted == c.Admit("searcher 1")
    owed = [a for command in given for a in command.assignments]
    new = [a for command in joined if isinstance(command, c.Assign) for a in command.assignments]
    assert len(new) == 8
    assert not {*owed} & {*new}


def test_a_delivery_feeds_the_learner_once_and_a_step_feeds_it_again() -> None:
    coordinator, _ = begun(replace(RUN, max_staleness=None))
    owed = coordinator.workers["searcher 0"].owed()
    fed, rest = owed[:4], owed[4:]
    out = coordinator.handle(m.Found("searcher 0", [trajectory(a, 0) for a in fed]), 1.0)
    assert [type(command) for command in out] == [c.Quarantine, c.Feed]
    out = coordinator.handle(m.Found("searcher 0", [trajectory(a, 0) for a in rest]), 2.0)
    assert [type(command) for command in out] == [c.Quarantine], "it has groups"
    out = coordinator.handle(m.Stepped(1, 1, {"batch/staleness": {"0": 4}}, 1.0), 3.0)
    assert [getattr(command, "file", type(command)) for command in out] == ["metrics", "timing", c.Feed]
    row = out[0].row  # type: ignore[union-attr]
    assert (row["step"], row["version"], row["search/reward_mean"]) == (1, 1, 1.0)


def test_data_of_unknown_weights_is_not_counted_and_drawn_again() -> None:
    coordinator, _ = begun()
    owed = coordinator.workers["searcher 0"].owed()[:4]
    found = [trajectory(a, 0, known=number > 1) for number, a in enumerate(owed)]
    coordinator.handle(m.Found("searcher 0", found), 1.0)
    assert coordinator.statistics.trajectories == 2
    assert coordinator.replay.metrics()["replay/unknown_version"] == 2
    out = coordinator.handle(m.BatchDone("searcher 0", 1.0, 0.0), 2.0)
    [again] = [command for command in out if isinstance(command, c.Assign)]
    assert [*again.assignments[:2]] == owed[:2], "they go out first"


def test_a_silent_searcher_is_replaced_unless_its_message_is_only_unread() -> None:
    coordinator, _ = begun()
    both = frozenset({"searcher 0", "searcher 1"})
    assert coordinator.handle(m.Tick(both), 21.0) == []
    out = coordinator.handle(m.Tick(frozenset({"searcher 1"})), 21.0)
    [fault, restart] = out
    assert restart == c.Restart("searcher 0", RUN.restarts.backoff)
    assert isinstance(fault, c.Write)
    assert fault.row["why"] == "said nothing for 21 s with 8 samples to draw"


def test_the_learners_death_ends_the_run_with_its_label() -> None:
    coordinator, _ = begun()
    coordinator.handle(m.WorkerStarted("learner", "learner (pid 7)"), 1.0)
    with pytest.raises(FaultError, match=r"learner \(pid 7\): was killed while the run was going"):
        coordinator.handle(m.WorkerLost("learner", "was killed"), 2.0)


def test_a_save_ends_with_a_feed_and_an_evaluation_counts_for_the_weights_that_it_saw() -> None:
    coordinator, _ = begun(replace(RUN, max_staleness=None))
    for name in ("searcher 0", "searcher 1"):
        owed = coordinator.workers[name].owed()
        coordinator.handle(m.Found(name, [trajectory(a, 0) for a in owed]), 1.0)
    metrics = {"batch/staleness": {"0": 4}}
    coordinator.handle(m.Stepped(1, 1, metrics, 0.0), 2.0)
    out = coordinator.handle(m.Stepped(2, 2, metrics, 0.0), 3.0)
    assert [type(command) for command in out] == [c.Write, c.Write, c.Save], "nothing is fed while it is saved"
    assert [type(command) for command in coordinator.handle(m.Saved("checkpoint"), 4.0)] == [c.Feed]
    row, *_ = coordinator.handle(m.Evaluated({"version": 1, "step": 0}, [], 1.0), 5.0)
    assert isinstance(row, c.Write)
    assert (row.file, row.row["step"]) == ("eval", 1), "the learner is at step 2"


def test_a_resume_after_the_last_step_draws_and_feeds_nothing() -> None:
    before, _ = begun()
    owed = before.workers["searcher 0"].owed()
    before.handle(m.Found("searcher 0", [trajectory(a, 0) for a in owed]), 0.0)
    saved = msgspec.structs.replace(before.state(), steps=RUN.max_steps, version=RUN.max_steps)
    coordinator = Coordinator(RUN, PROMPTS, PROFILE)
    coordinator.handle(m.Published(7, digest(7)), 0.0)
    for name in coordinator.workers:
        coordinator.handle(m.WorkerReady(name), 0.0)
    out = coordinator.begin(before.replay, 0.0, saved)
    assert {type(command) for command in out} == {c.Admit, c.Evaluate, c.EndWorker, c.Save}
    assert coordinator.statistics.state() == before.statistics.state()
    assert coordinator.statistics.trajectories == len(owed)
    assert coordinator.handle(m.Stepped(RUN.max_steps, 7, None, 0.0), 1.0) == []


def test_a_learner_that_goes_back_is_refused() -> None:
    coordinator, _ = begun()
    coordinator.handle(m.Stepped(3, 3, None, 0.0), 1.0)
    with pytest.raises(FaultError, match="went back from version 3 to 2"):
        coordinator.handle(m.Stepped(3, 2, None, 0.0), 2.0)


def test_a_stall_names_who_waits_for_whom() -> None:
    coordinator, _ = begun(profile=Profile(deadline=50.0, deadline_flag="--local.deadline"))
    assert coordinator.handle(m.Tick(), 50.0) == []
    with pytest.raises(StallError) as stall:
        coordinator.handle(m.Tick(), 50.1)
    assert stall.value.where == "learner waits for replay"
    assert "searcher 1 silent for 50 s with 4 samples to draw" in str(stall.value)
    assert "newest data: none while the learner is at 0" in str(stall.value)
    assert "--local.deadline" in str(stall.value)


def test_the_last_weights_are_published_where_the_evaluator_looks_for_them() -> None:
    coordinator = Coordinator(replace(RUN, max_steps=5), PROMPTS, PROFILE)
    assert [step for step in range(1, 6) if coordinator.publishes(step)] == [2, 4, 5]
    virtual = Coordinator(replace(RUN, max_steps=5), PROMPTS, Profile(virtual=True))
    assert [step for step in range(1, 6) if virtual.publishes(step)] == [2, 4]


def test_a_stop_before_the_start_ends_at_once_and_one_in_a_step_waits_for_its_checkpoint() -> None:
    fresh = Coordinator(RUN, PROMPTS, PROFILE)
    fresh.handle(m.StopRequested(), 0.0)
    assert (fresh.outcome, fresh.saved_step) == ("stopped", None)
    coordinator, _ = begun()
    owed = coordinator.workers["searcher 0"].owed()[:4]
    coordinator.handle(m.Found("searcher 0", [trajectory(a, 0) for a in owed]), 1.0)
    out = coordinator.handle(m.StopRequested(), 2.0)
    assert out == [c.EndWorker("searcher 0"), c.EndWorker("searcher 1"), c.EndWorker("evaluator")]
    out = coordinator.handle(m.Stepped(1, 1, {"batch/staleness": {"0": 4}}, 0.0), 3.0)
    assert out[-1] == c.Save("checkpoint")
    coordinator.handle(m.Saved("checkpoint"), 4.0)
    assert (coordinator.outcome, coordinator.saved_step) == ("stopped", 1)


SLOW = "scoring 64 completions with reward 'm:f'"


def scored(coordinator: Coordinator, reward: float | None) -> list[Trajectory]:
    return [trajectory(a, 0, reward=reward) for a in coordinator.workers["searcher 0"].owed()[:1]]


def test_a_searcher_whose_reward_takes_its_time_is_neither_replaced_nor_a_stall() -> None:
    coordinator, _ = begun()
    for now in range(5, 405, 5):  # far beyond the deadlines of 20, 50 and 90 s
        for name in ("searcher 0", "searcher 1"):
            assert coordinator.handle(m.Waiting(name, SLOW, float(now)), float(now)) == []
        assert coordinator.handle(m.Tick(), float(now)) == []
    with pytest.raises(StallError, match=f"searcher 0 {SLOW}, 400 s; searcher 1 {SLOW}, 400 s"):
        coordinator.handle(m.Tick(frozenset({"searcher 0", "searcher 1"})), 451.0)


def test_a_searcher_that_says_no_more_is_replaced_and_its_last_word_is_told() -> None:
    coordinator, _ = begun()
    coordinator.handle(m.Waiting("searcher 0", SLOW, 10.0), 10.0)
    out = coordinator.handle(m.Tick(frozenset({"searcher 1"})), 31.0)
    [fault] = [command for command in out if isinstance(command, c.Write)]
    assert fault.row["why"] == f"said nothing for 21 s with 8 samples to draw; its last word was {SLOW}, 10 s"


def test_a_reward_that_is_late_every_time_ends_the_run_at_the_learners_deadline() -> None:
    """Once a batch brings no reward at all, waits for more of these are no excuse."""
    coordinator, _ = begun()
    failed = [t.replace(info={"error": "reward 'm:f': no answer within 15 s"}) for t in scored(coordinator, None)]
    coordinator.handle(m.Waiting("searcher 0", SLOW, 15.0), 15.0)
    coordinator.handle(m.Found("searcher 0", failed), 15.0)
    for now in range(20, 65, 5):
        for name in ("searcher 0", "searcher 1"):
            coordinator.handle(m.Waiting(name, SLOW, now - 15.0), float(now))
        assert coordinator.handle(m.Tick(), float(now)) == []
    with pytest.raises(StallError, match=r"reward 'm:f'.*last verifier error: reward 'm:f': no answer within 15 s"):
        coordinator.handle(m.Tick(frozenset({"searcher 0", "searcher 1"})), 66.0)


def test_a_word_is_forgotten_once_samples_come() -> None:
    coordinator, _ = begun()
    coordinator.handle(m.Waiting("searcher 0", SLOW, 10.0), 10.0)
    coordinator.handle(m.Found("searcher 0", scored(coordinator, 1.0)), 11.0)
    assert coordinator.workers["searcher 0"].waits == ""


def test_nobody_is_late_while_the_driver_was_busy() -> None:
    """A bare callable scores in the driver's process: 70 s of it end neither a searcher nor the run."""
    coordinator, _ = begun()
    for call in range(1, 7):
        now = 70.0 * call
        assert coordinator.handle(m.Held(69.0), now) == []
        assert coordinator.handle(m.Tick(), now) == []


def test_an_evaluation_whose_reward_takes_its_time_is_no_stall() -> None:
    coordinator, _ = begun(profile=replace(PROFILE, deadline=1e9, search_deadline=1e9))
    for now in range(5, 305, 5):
        coordinator.handle(m.Waiting("evaluator", SLOW, float(now)), float(now))
        coordinator.handle(m.Tick(), float(now))
    with pytest.raises(StallError, match="nothing for 90 s"):
        coordinator.handle(m.Tick(), 391.0)
