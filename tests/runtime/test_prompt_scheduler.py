import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from steelyard.core import Prompt, Sampling, SteelyardError, Trajectory, to_bytes
from steelyard.objective import Reinforce
from steelyard.runtime.prompt_scheduler import PromptScheduler
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment
from steelyard.task import Enumerable

RUN = Run(task=Enumerable(), objective=Reinforce(), model="none", search_prompts=3, num_generations=4)


def prompts(number: int) -> list[Prompt]:
    return [Prompt(str(i), str(i)) for i in range(number)]


def resumed(scheduler: PromptScheduler, run: Run, number: int) -> PromptScheduler:
    """Through JSON, as a checkpoint holds it."""
    other = PromptScheduler(run, prompts(number))
    other.restore(msgspec.json.decode(msgspec.json.encode(scheduler.state())))
    return other


def pairs(assignments: list[Assignment]) -> list[tuple[int, int]]:
    return [(a.prompt, a.sample) for a in assignments]


def test_each_prompt_gets_its_next_sample_numbers() -> None:
    scheduler = PromptScheduler(replace(RUN, search_prompts=2, num_generations=3), prompts(2))
    first, second = scheduler.next(), scheduler.next()
    assert sorted(pairs(first)) == [(p, s) for p in range(2) for s in range(3)]
    assert sorted(pairs(second)) == [(p, s) for p in range(2) for s in range(3, 6)]
    assert [a.sample for a in first] == [0, 1, 2, 0, 1, 2], "a prompt's samples stay together"


def test_a_searcher_may_make_more_of_a_prompt_than_a_step_takes() -> None:
    run = replace(RUN, search_prompts=2, num_generations=3, search_generations=5)
    scheduler = PromptScheduler(run, prompts(2))
    assert sorted(pairs(scheduler.next())) == [(p, s) for p in range(2) for s in range(5)]
    assert sorted(pairs(resumed(scheduler, run, 2).next())) == [(p, s) for p in range(2) for s in range(5, 10)]


def test_what_is_given_back_comes_first_and_whole_prompts_fill_up() -> None:
    scheduler = PromptScheduler(RUN, prompts(50))
    lost = scheduler.next()
    scheduler.give_back(lost[2:7])
    scheduler.give_back(lost[:1])
    batch = scheduler.next()
    assert batch[:6] == [*lost[2:7], lost[0]]
    assert len(batch) == 6 + 4, "of the 6 places left, one whole prompt takes 4"
    assert len({a.prompt for a in batch[6:]}) == 1
    assert len(scheduler.next()) == 12


def test_more_than_a_batch_given_back_goes_out_in_order() -> None:
    scheduler = PromptScheduler(RUN, prompts(50))
    lost = [*scheduler.next(), *scheduler.next(), *scheduler.next()]
    scheduler.give_back(lost)
    assert [*scheduler.next(), *scheduler.next(), *scheduler.next()] == lost
    assert not {*scheduler.next()} & {*lost}


def test_twice_given_back_is_once_handed_out() -> None:
    scheduler = PromptScheduler(RUN, prompts(50))
    lost = scheduler.next()
    scheduler.give_back(lost)
    scheduler.give_back(lost)
    assert scheduler.next() == lost
    assert not {*scheduler.next()} & {*lost}


def test_skipped_pairs_are_never_handed_out() -> None:
    """Resume of a local run: 5 samples of prompt 0 reached the buffer after the checkpoint, one that was out before."""
    scheduler = PromptScheduler(replace(RUN, search_prompts=1), prompts(1))
    out = scheduler.next()
    later = resumed(scheduler, replace(RUN, search_prompts=1), 1)
    later.give_back(out)
    later.skip([(0, 2), *((0, sample) for sample in range(4, 9))])
    assert pairs(later.next()) == [(0, 0), (0, 1), (0, 3)]
    assert pairs(later.next()) == [(0, 9), (0, 10), (0, 11), (0, 12)]


class Laws(RuleBasedStateMachine):
    """Hand out, lose, accept and resume in any order."""

    @initialize(total=st.integers(1, 6), batch=st.integers(1, 4), samples=st.integers(1, 3), seed=st.integers(0, 9))
    def begin(self, total: int, batch: int, samples: int, seed: int) -> None:
        self.run = replace(RUN, search_prompts=batch, num_generations=samples, seed=seed)
        self.total, self.size = total, batch * samples
        self.scheduler = PromptScheduler(self.run, prompts(total))
        self.out: set[Assignment] = set()
        self.queue: list[Assignment] = []
        self.done: set[Assignment] = set()

    @rule()
    def hand_out(self) -> None:
        batch = self.scheduler.next()
        assert 0 < len(batch) <= self.size
        assert len({*batch}) == len(batch)
        first = self.queue[: self.size]
        assert batch[: len(first)] == first, "what was given back goes first, in order"
        fresh = batch[len(first) :]
        assert not {*fresh} & (self.out | self.done | {*self.queue}), "handed out twice"
        assert len(fresh) % self.run.num_generations == 0
        assert self.size - len(batch) < self.run.num_generations, "a batch is as full as whole prompts allow"
        self.queue = self.queue[self.size :]
        self.out |= {*batch}

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.out:
            lost = data.draw(st.lists(st.sampled_from(sorted(self.out, key=repr)), max_size=8))
            self.scheduler.give_back(lost)
            self.queue += dict.fromkeys(lost)
            self.out -= {*lost}

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        if self.out:
            taken = data.draw(st.sets(st.sampled_from(sorted(self.out, key=repr)), max_size=8))
            self.done |= taken
            self.out -= taken

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        """What a resume finds in the buffer: pairs that the scheduler counts as waiting, or does not know yet."""
        ahead = st.builds(Assignment, st.integers(0, self.total - 1), st.integers(0, 30))
        known = st.sampled_from(self.queue) if self.queue else ahead
        taken = data.draw(st.sets(known | ahead.filter(lambda a: a not in self.out), max_size=4))
        self.scheduler.skip(pairs(sorted(taken, key=repr)))
        self.done |= taken
        self.queue = [a for a in self.queue if a not in taken]

    @rule()
    def resume(self) -> None:
        self.scheduler = resumed(self.scheduler, self.run, self.total)

    @invariant()
    def a_resumed_one_goes_on_alike(self) -> None:
        if hasattr(self, "scheduler"):
            one, other = (resumed(self.scheduler, self.run, self.total) for _ in range(2))
            assert [one.next() for _ in range(3)] == [other.next() for _ in range(3)]
            assert self.scheduler.state() == resumed(self.scheduler, self.run, self.total).state()


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=40, stateful_step_count=20, deadline=None, derandomize=True)


def test_a_resumed_assigner_continues_identically() -> None:
    one = PromptScheduler(RUN, prompts(7))
    for _ in range(5):
        lost = one.next()
    one.give_back(lost[:5])
    other = resumed(one, RUN, 7)
    assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]


def test_state_holds_only_the_prompts_that_were_drawn() -> None:
    scheduler = PromptScheduler(RUN, prompts(100_000))
    scheduler.next()
    assert len(scheduler.state()["given"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"given": [[7, 4]]},
        {"given": [[0, -1]]},
        {"given": [[-1, 1]]},
        {"returned": [[7, 0]]},
        {"returned": [["0", 0]]},
        {"returned": [[0]]},
        {"given": None},
        {"curriculum": {"position": -3}},
        {"curriculum": []},
        {"groups": [{"prompt": 7, "missing": [0], "found": []}]},
        {"groups": [{"prompt": 0, "missing": [0], "found": ["?"]}]},
        {"groups": [{"prompt": 0, "missing": [0], "found": ["AAAA"]}]},
        {"more": 1},
    ],
)
def test_another_state_is_one_line(change: dict[str, Any]) -> None:
    scheduler = PromptScheduler(RUN, prompts(7))
    with pytest.raises(SteelyardError, match="state"):
        scheduler.restore(PromptScheduler(RUN, prompts(7)).state() | change)
    with pytest.raises(SteelyardError, match="state"):
        scheduler.restore({})


@dataclass(frozen=True)
class Listener:
    """A curriculum that draws one prompt after the other and keeps what it is told; to open it begins the list anew."""

    told: list[list[bytes]] = field(default_factory=list)

    def open(self, prompts: Sequence[Prompt], seed: int) -> "Listener":
        self.told.clear()
        return self

    def draw(self, num_prompts: int) -> list[int]:
        return [i % 2 for i in range(num_prompts)]

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        self.told.append(sorted(to_bytes(t) for t in trajectories))

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


def trajectory(assignment: Assignment) -> Trajectory:
    tokens_T, action_T, logp_T = np.array([1, 2], np.int32), np.array([False, True]), np.zeros(2, np.float32)
    return Trajectory(
        str(assignment.prompt), tokens_T, action_T, logp_T, 0, "", Sampling(), "stop", assignment.sample, reward=0.5
    )


@given(st.permutations(range(12)), st.lists(st.integers(0, 12), max_size=4), st.integers(0, 11))
@settings(max_examples=40, deadline=None)
def test_a_group_is_told_once_and_whole_in_whatever_pieces_it_comes(
    order: list[int], cuts: list[int], again: int
) -> None:
    """Three groups, two of them of one prompt; with a resume between any two pieces, and pieces that come twice."""
    run = replace(RUN, curriculum=Listener())
    scheduler, told = PromptScheduler(run, prompts(2)), list[list[bytes]]()
    batch = scheduler.next()
    edges = [0, *sorted(cuts), 12]
    for start, end in itertools.pairwise(edges):
        scheduler.deliver([trajectory(batch[i]) for i in order[start:end]])
        scheduler.deliver([trajectory(batch[i]) for i in order[:end] if i == again])
        told += run.curriculum.told
        scheduler = resumed(scheduler, run, 2)
    whole = [sorted(to_bytes(trajectory(a)) for a in batch[i : i + 4]) for i in (0, 4, 8)]
    assert sorted(told) == sorted(whole)
    assert scheduler.state()["groups"] == []


def test_of_a_group_that_reached_the_buffer_unheard_the_rest_is_told() -> None:
    run = replace(RUN, curriculum=Listener(), search_prompts=1)
    scheduler = PromptScheduler(run, prompts(2))
    batch = scheduler.next()
    scheduler.deliver([trajectory(a) for a in batch[:2]])
    scheduler.give_back(batch[2:])
    scheduler.skip([(0, 2), (1, 7)])
    assert run.curriculum.told == []
    assert pairs(scheduler.next())[0] == (0, 3)
    scheduler.deliver([trajectory(batch[3])])
    assert run.curriculum.told == [sorted(to_bytes(trajectory(batch[i])) for i in (0, 1, 3))]


def test_no_prompts_is_one_line() -> None:
    with pytest.raises(SteelyardError, match="has no training prompts"):
        PromptScheduler(RUN, [])
