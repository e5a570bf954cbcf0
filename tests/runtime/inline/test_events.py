import numpy as np
import pytest

from steelyard.core import Sampling, Trajectory, to_bytes
from steelyard.runtime.inline.event_log import state_digest
from steelyard.runtime.inline.events import Event, Queue
from steelyard.searcher import Assignment


def found(reward: float | None = 0.5, **changes: object) -> Trajectory:
    numbers = {"tokens_T": np.array([7, 3], np.int32), "logp_behaviour_T": np.array([0.0, -0.1], np.float32)}
    made = Trajectory("p", action_T=np.array([False, True]), version=2, digest="d", sampling=Sampling(float("inf"), 3),
                      finish="stop", sample=4, reward=reward, **numbers)  # fmt: skip
    return made.replace(**changes)


def filled() -> Queue:
    queue = Queue()
    queue.put(Event(2.0, "search", 2.0, searcher=0))
    queue.put(Event(2.0, "search", 0.5, searcher=1))
    queue.put(
        Event(2.0, "learn", 1.0, version=3, groups=[[found(), found(None, info={"error": "late"})], [found(-1.0)]])
    )
    queue.put(
        Event(
            2.0,
            "deliver",
            1.0,
            2,
            3,
            [Assignment(5, 0), Assignment(5, 1)],
            [[found(logp_ref_T=np.zeros(2, np.float32))]],
        )
    )
    queue.put(Event(1.5, "kill", 0.0, 3, 0, [Assignment(1, 2)]))
    return queue


def drain(queue: Queue) -> list[tuple]:
    made = []
    while not queue.empty:
        event = queue.pop()
        made.append((event.when, event.kind, event.searcher))
    return made


def test_events_come_by_time_then_kind_then_order() -> None:
    expected = [(1.5, "kill", 3), (2.0, "deliver", 2), (2.0, "learn", None), (2.0, "search", 0), (2.0, "search", 1)]
    assert filled().next_time == 1.5
    assert drain(filled()) == expected


def test_a_queue_comes_back_whole() -> None:
    data = filled().to_bytes()
    again = Queue.from_bytes(data)
    assert again.to_bytes() == data
    for before, after in zip(filled(), again, strict=True):
        assert (before.when, before.kind, before.since, before.searcher, before.version) == (
            after.when, after.kind, after.since, after.searcher, after.version,
        )  # fmt: skip
        assert list(before.assignments) == list(after.assignments)
        assert [[to_bytes(t) for t in g] for g in before.groups] == [[to_bytes(t) for t in g] for g in after.groups]
    again.put(Event(2.0, "search", 2.0, searcher=9))
    assert drain(again)[-1] == (2.0, "search", 9), "numbers go on where they stopped"


def test_endless_times_survive() -> None:
    queue = Queue()
    queue.put(Event(float("inf"), "kill", 0.0, searcher=0))
    assert Queue.from_bytes(queue.to_bytes()).next_time == float("inf")


def test_learning_is_seen_in_the_queue() -> None:
    queue = filled()
    assert queue.learning
    while queue.pop().kind != "learn":
        pass
    assert not queue.learning


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event(9.0, "deliver", 3.0, searcher=0), "searcher 0 at work since 3"),
        (Event(9.0, "crash", 3.0, searcher=0), "searcher 0 at work since 3"),
        (Event(72.0, "kill", 12.0, searcher=1), "searcher 1 silent since 12"),
        (Event(20.5, "search", 5.0, searcher=1), "searcher 1 restarting at 20.5"),
        (Event(5.0, "search", 5.0, searcher=1), "searcher 1 ready"),
    ],
)
def test_an_event_says_what_its_searcher_does(event: Event, words: str) -> None:
    assert event.doing(5.0) == words


def test_a_state_digest_follows_facts_and_trajectories() -> None:
    base = state_digest([1, 0.5, {"a": None}], [[found()]])
    assert base == state_digest([1, 0.5, {"a": None}], [[found()]])
    others = [
        state_digest([1, 0.5000000000000001, {"a": None}], [[found()]]),
        state_digest([1, 0.5, {"a": None}], [[found(reward=0.4)]]),
        state_digest([1, 0.5, {"a": None}], []),
    ]
    assert len({base, *others}) == 4
