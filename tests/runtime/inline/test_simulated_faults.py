"""Failures that hurt users of other systems, each played on the virtual clock: what must happen here instead.

The threads are listed in the issue trackers of the systems named; each test says what hurt there.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated import SMALL, differences, film, reopened, resume, rows, train

from steelyard.core import FaultError, StallError, SteelyardError
from steelyard.objective import DrGRPO
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import Inline, Records, Run, VirtualClock
from steelyard.runtime.inline.faults import Faults
from steelyard.runtime.prompt_scheduler import PromptScheduler
from steelyard.runtime.run import Restarts
from steelyard.searcher import Assignment

pytestmark = pytest.mark.usefixtures("no_power_cuts")
NEVER = float("inf")


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """strike(("hang", 1), ...): exactly these faults at these batches or versions, and no others."""

    def plan(*faults: tuple[str, int]) -> None:
        monkeypatch.setattr(Faults, "strikes", lambda self, fault, seed, *address: (fault, *address) in faults)

    return plan


def clock(**settings: Any) -> VirtualClock:
    """The virtual clock; what is not one of its own settings is a chance of a fault."""
    own = {name: settings.pop(name) for name in [*settings] if name in VirtualClock.__dataclass_fields__}
    return VirtualClock(**own, faults=Faults(**settings))


class Ledger:
    """Every (prompt, sample) that was handed out and not given back, and each batch in the order of handing out."""

    def __init__(self) -> None:
        self.out, self.batches = Counter[tuple[int, int]](), list[list[Assignment]]()

    def watch(self, scheduler: PromptScheduler) -> None:
        hand_out = scheduler.next
        give_back = scheduler.give_back

        def watched_next() -> list[Assignment]:
            self.batches.append(batch := hand_out())
            self.out.update((a.prompt, a.sample) for a in batch)
            return batch

        def watched_give_back(assignments: Iterable[Assignment]) -> None:
            batch = [*assignments]
            self.out.subtract((a.prompt, a.sample) for a in batch)
            give_back(batch)

        scheduler.next = watched_next  # type: ignore[method-assign]
        scheduler.give_back = watched_give_back  # type: ignore[method-assign]


@contextmanager
def begun(run: Run, directory: Path, made: Path | None = None) -> Iterator[Inline]:
    """A run about to make its first event, or its first after a checkpoint."""
    opened = reopened(directory) if made else Records(directory)
    with opened as records, closing(Inline(run, records, checkpoint=made)) as inline:
        inline.begin()
        yield inline


def finish(inline: Inline) -> None:
    while inline.steps_left:
        inline.advance()


def test_a_dead_collector_ends_the_run_by_name(tmp_path: Path) -> None:
    """NeMo-RL#3488: the collector was dead and the trainer polled an empty buffer for 3.7 h on 64 nodes.

    Here a searcher that dies is started again, and one that only dies ends the run, long before the learner's deadline.
    """
    run = replace(SMALL, inline=clock(crash=1.0), restarts=Restarts(limit=3))
    died = pytest.raises(FaultError, match="4 failures within 300 s: searcher 0 died")
    with begun(run, tmp_path) as inline, died:
        finish(inline)
    assert inline.clock.now < 10
    waits = [row["again_in"] for row in rows(tmp_path, "faults")]
    assert waits == [0.5, 1.0, 2.0], "each restart waits twice as long"


def test_a_silent_collector_is_a_stall_at_the_deadline(tmp_path: Path) -> None:
    """NeMo-RL#3488 again, where nothing even dies: the stall says who is silent, and since when."""
    run = replace(SMALL, num_searchers=2, inline=clock(hang=1.0, search_deadline=NEVER, deadline=50.0))
    with pytest.raises(StallError) as stall:
        train(run, tmp_path)
    assert "no batch since 0, for 50 s" in str(stall.value)
    for searcher in (0, 1):
        assert f"searcher {searcher} silent for 50 s with 6 samples to draw" in str(stall.value)
    assert "learner waits for replay" in str(stall.value)


def test_one_stuck_rollout_blocks_neither_its_group_nor_the_step(tmp_path: Path, strike: Callable[..., None]) -> None:
    """NeMo-RL#3238: one stuck rollout blocked its group and the step, and a resume drew it again.

    Here the second batch hangs for ever. The learner makes all its steps, on later samples of the stuck prompts too;
    after a resume the stuck samples are still with the searcher that has them, and are not drawn again.
    """
    strike(("hang", 1))
    run = replace(SMALL, num_searchers=2, max_steps=6, inline=clock(search_deadline=NEVER))
    train(run, tmp_path / "run")
    with begun(replace(run, max_steps=8), tmp_path / "run", tmp_path / "run/checkpoint-6") as inline:
        [stuck] = [event for event in inline.queue if event.kind == "kill"]
        held = {(inline.searcher.prompts[a.prompt].id, a.sample) for a in stuck.assignments}
        finish(inline)
        taken = inline.replay.admitted_since(None)
    assert not held & {*taken}
    assert {prompt for prompt, _ in held} <= {prompt for prompt, _ in taken}


def test_restarts_skip_no_prompt(tmp_path: Path) -> None:
    """NeMo-RL#3599: restarts silently skipped 736 prompts, about 30 % of those reached, the long ones above all.

    Here every (prompt, sample) that was handed out is stored, a duplicate, evicted, refused, an error, in flight, or
    waits to be handed out again; it is one of them, and exactly once.
    """
    faults = {"crash": 0.2, "hang": 0.15, "corrupt": 0.2, "verifier": 0.2}
    run = replace(
        SMALL, num_searchers=3, max_steps=12, restarts=Restarts(limit=100), replay=PrioritizedReplay(capacity=15),
        inline=clock(search_deadline=5.0, search_cost=3.0, **faults), max_staleness=1, search_temperature=0.4,
    )  # fmt: skip
    ledger = Ledger()
    with begun(run, tmp_path) as inline:
        ledger.watch(inline.coordinator.scheduler)
        while inline.steps_left:
            inline.advance()
            check_accounts(inline, ledger)
    assert {"crash", "kill"} <= {row["kind"] for row in rows(tmp_path, "events")}
    last = rows(tmp_path)[-1]
    assert all(
        last[f"replay/{name}"] > 0 for name in ("unknown_version", "errors", "refused", "evicted", "duplicates")
    ), last


def check_accounts(inline: Inline, ledger: Ledger) -> None:
    counts = inline.replay.metrics()
    taken, places = inline.replay.admitted_since(None), {p.id: i for i, p in enumerate(inline.searcher.prompts)}
    assert len(taken) == len({*taken}) == counts["replay/admitted"], "nothing is taken in twice"
    out = {pair for pair, times in ledger.out.items() if times}
    assert set(ledger.out.values()) <= {0, 1}, "nothing is out twice"
    arrived = out - {(a.prompt, a.sample) for event in inline.queue for a in event.assignments}
    assert {(places[prompt], sample) for prompt, sample in taken} <= arrived
    assert len(arrived) == counts["replay/admitted"] + counts["replay/errors"] + counts["replay/refused"]
    gone = counts["replay/duplicates"] + counts["replay/evicted"]
    assert counts["replay/admitted"] == counts["replay/size"] + gone


@pytest.mark.parametrize(
    "run",
    [
        replace(SMALL, replay=PrioritizedReplay(capacity=6)),
        pytest.param(
            replace(SMALL, objective=DrGRPO(max_length=3), replay=SingleUse(capacity=2), inline=clock(learn_cost=3.0)),
            marks=pytest.mark.long,
        ),
    ],
    ids=["buffer", "queue"],
)
def test_a_resume_with_a_full_buffer_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NeMo-RL#3066: a resume with a full buffer deadlocked. Here one from every event reaches the end, the same one."""
    run = replace(run, max_steps=3)
    frames = film(run, tmp_path, monkeypatch)
    assert rows(tmp_path / "whole")[-1]["replay/evicted"] > 0, "the buffer is full"
    for frame in frames:
        assert not differences(tmp_path / "whole", resume(run, frame))


def test_weights_that_never_arrive_are_a_stall_that_says_so(tmp_path: Path) -> None:
    """TRL#6796, #6797, #7103: weight synchronisation hung for ever, without a word.

    Here every publication is lost. Under `max_staleness` the learner stops using what the searchers send, and the stall
    names the version that they see and the one they should.
    """
    run = replace(SMALL, max_steps=9, max_staleness=2, inline=clock(lose=1.0, deadline=20.0))
    with pytest.raises(StallError, match=r"newest data: version 0 while the learner is at 3; replay: .*refused"):
        train(run, tmp_path)
    assert len(rows(tmp_path)) == 3


def test_without_a_bound_lost_weights_are_seen_in_the_staleness(tmp_path: Path) -> None:
    """Rows 6's other half: where no bound is set the run goes on, and each row says how stale its data is."""
    train(replace(SMALL, inline=clock(lose=1.0)), tmp_path)
    assert [row["batch/staleness_max"] for row in rows(tmp_path)] == [0, 1, 2, 3]


def test_a_dropped_group_does_not_hold_up_the_cursor(tmp_path: Path, strike: Callable[..., None]) -> None:
    """TRL#7274: one dropped group froze the cursor from which a resume continues.

    Here a crash drops the groups of one batch and the verifier fails on all of another. What was dropped is handed out
    next, the cursor moves on, and a resume after it hands out what the uninterrupted run does.
    """
    strike(("crash", 1), *[("verifier", 2, place) for place in range(6)])
    run = replace(SMALL, objective=DrGRPO(max_length=3), replay=SingleUse())
    whole, resumed = Ledger(), Ledger()
    with begun(run, tmp_path / "whole") as inline:
        whole.watch(inline.coordinator.scheduler)
        finish(inline)
    with begun(run, tmp_path / "resumed") as inline:
        resumed.watch(inline.coordinator.scheduler)
        while inline.steps_left > 2:
            inline.advance()
        made = inline.save()
    with begun(run, tmp_path / "resumed", made) as inline:
        resumed.watch(inline.coordinator.scheduler)
        finish(inline)
    assert whole.batches == resumed.batches
    first, dropped, again, *later = whole.batches
    assert dropped == again, "what the crash dropped goes out next"
    handed = [a for batch in (first, again, *later) for a in batch]
    assert len(handed) == len({*handed})


@pytest.mark.parametrize("over_age", ["drop", "wait"])
def test_the_staleness_bound_holds_after_recovery(
    over_age: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AReaL#1388: the bound on staleness was broken after a recovery, for it was kept by counters.

    Here it is read from each sample's own version, so it holds on every step, before and after crashes and resumes.
    """
    run = replace(
        SMALL, num_searchers=2, max_staleness=2, max_steps=5, replay=PrioritizedReplay(over_age=over_age),
        restarts=Restarts(limit=50), inline=clock(crash=0.2, lose=0.3, search_cost=1.5),
    )  # fmt: skip
    frames = film(run, tmp_path, monkeypatch)
    for frame in frames[:: len(frames) // 4]:
        found = rows(resume(run, frame))
        assert [row["step"] for row in found] == [1, 2, 3, 4, 5]
        assert max(row["batch/staleness_max"] for row in found) == 2


GRID = [
    (searchers, prompts, generations, replay, staleness)
    for searchers, prompts, generations, staleness in itertools.product((1, 3), (1, 4, 7), (2, 3), (None, 0, 2))
    for replay in (
        PrioritizedReplay(capacity=1), PrioritizedReplay(capacity=4, over_age="wait"), PrioritizedReplay(warmup=50),
        SingleUse(), SingleUse(capacity=1), SingleUse(capacity=7, over_age="wait"),
    )
]  # fmt: skip


def test_every_combination_runs_or_says_why_not(tmp_path: Path) -> None:
    """AReaL#1396: limits that were scaled twice left no capacity at all, and the run hung.

    Here one owner admits. Every combination of searchers, prompts, generations, capacity and staleness makes its steps,
    or ends with one line that names what is too small; none goes on for ever.
    """
    outcomes: Counter[str] = Counter()
    for number, (searchers, prompts, generations, replay, staleness) in enumerate(GRID[::11]):
        run = replace(
            SMALL, num_searchers=searchers, num_prompts=prompts, num_generations=generations, replay=replay,
            max_staleness=staleness, max_steps=2, save_steps=0, inline=clock(deadline=6.0),
        )  # fmt: skip
        try:
            steps = train(run, tmp_path / str(number))["steps"]
            assert steps == 2
            outcomes["ran"] += 1
        except SteelyardError as error:
            assert "\n" not in str(error)
            assert isinstance(error, StallError) or "capacity" in str(error)
            outcomes[type(error).__name__] += 1
    assert outcomes["ran"] > len(GRID) // 25, outcomes


def test_the_learner_trains_on_what_exists(tmp_path: Path, strike: Callable[..., None]) -> None:
    """SkyRL#1173: with 127 of 128 trajectories in the buffer the trainer waited for more than 29 h.

    Here two of three searchers hang for ever, and the learner makes its steps on what the third one finds.
    """
    strike(("hang", 0), ("hang", 2))
    run = replace(SMALL, num_searchers=3, max_steps=8, inline=clock(search_deadline=NEVER))
    summary = train(run, tmp_path)
    assert summary["steps"] == 8
    assert summary["clock"] < 20


def test_a_hung_searcher_comes_back(tmp_path: Path, strike: Callable[..., None]) -> None:
    """Row 15's other half: past its deadline it is killed, and its samples are handed out again."""
    strike(("hang", 0))
    run = replace(SMALL, max_steps=2, inline=clock(search_deadline=7.0))
    summary = train(run, tmp_path)
    assert summary["clock"] == 7.0 + 0.5 + 1.0 + 1.0 + 1.0, "killed at 7, back at 7.5; a batch and two steps"
    [fault] = rows(tmp_path, "faults")
    assert (fault["who"], fault["why"], fault["seconds"]) == ("searcher 0", "said nothing for 7 s", 7.0)
    assert rows(tmp_path)[-1]["faults/restarts"] == 1


def test_data_of_unknown_weights_is_refused_and_drawn_again(tmp_path: Path, strike: Callable[..., None]) -> None:
    """verl#7495 (row 1): adapters never reached the sampler. Here data of other weights than it claims is not taken."""
    strike(("corrupt", 0))
    with begun(replace(SMALL, max_steps=2), tmp_path) as inline:
        finish(inline)
        taken = inline.replay.admitted_since(None)
    assert rows(tmp_path)[-1]["replay/unknown_version"] == 6
    assert len(taken) == len({*taken})
    assert {sample for _, sample in taken} == {0, 1, 2}, "the refused samples were drawn once more"
