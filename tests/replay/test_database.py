"""Events and the file below a replay, by hand: who was live when, and what going back does to the tables."""

import pytest

from steelyard.core import SteelyardError, to_bytes
from steelyard.replay import PrioritizedReplay
from steelyard.replay.database import Database
from steelyard.replay.metadata import ReplayMetadata

METADATA = ReplayMetadata(PrioritizedReplay(), 0, None)
TABLES = ("prompts", "rows", "bodies", "weights", "state")


@pytest.fixture
def file(path):
    opened = Database.open(path, METADATA)
    yield opened
    opened.close()


def dump(file) -> dict[str, list[tuple]]:
    return {table: file._connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}


def put(file, *trajectories, arrived=0):
    with file.transaction() as events:
        file.counts["admitted"] += len(trajectories)
        return [events.put(t, arrived, to_bytes(t)) for t in trajectories]


def test_every_event_takes_the_next_number(file, make):
    a, b = put(file, make("a"), make("b", reward=0.5), arrived=7)
    with file.transaction() as events:
        events.publish(4, "d")
        events.remove(a, "evicted")
    (c,) = put(file, make("a", 1, version=2))
    assert (a.seq, b.seq, c.seq, file.position) == (1, 2, 5, 5)
    assert dump(file)["weights"] == [(4, "d", 3)]
    assert dump(file)["prompts"] == [(1, "a"), (2, "b")], "a prompt has the number of its first row"
    gone = {seq: (gone, why) for seq, *_, gone, why in dump(file)["rows"]}
    assert gone == {1: (4, "evicted"), 2: (None, None), 5: (None, None)}
    assert file.live() == [b, c] and b[:5] == (0, 2, "b", 7, 0.5)


def test_who_was_live_when(file, make):
    a, _ = put(file, make("a"), make("b"))
    with file.transaction() as events:
        events.remove(a, "evicted")
    put(file, make("c"))
    assert [file.live_at(position) for position in range(6)] == [[], [1], [1, 2], [2], [2, 4], [2, 4]]


def test_going_back_leaves_the_tables_as_they_were(file, make):
    a, b = put(file, make("a"), make("b"))
    before = dump(file)
    with file.transaction() as events:
        events.publish(1, "e")
        events.remove(b, "evicted")
    put(file, make("c"), make("a", 1))
    assert dump(file) != before
    file.roll_back(2, {"admitted": 2})
    assert dump(file) == before
    assert file.weights == {} and file.live() == [a, b]


def test_putting_back_undoes_removals_alone(file, make):
    (a,) = put(file, make("a"))
    (b,) = put(file, make("b"))
    with file.transaction() as events:
        events.remove(a, "evicted")
    (c,) = put(file, make("c"))
    with file.transaction() as events:
        events.remove(b, "evicted")
        events.remove(c, "evicted")
    file.put_back(3, {"admitted": 3, "evicted": 1})
    assert [row.seq for row in file.live()] == [b.seq, c.seq] and file.position == 6
    assert file.counts == {"admitted": 3, "evicted": 1}


def test_nothing_is_written_where_nothing_changed(file, make):
    put(file, make("a"))
    statements = []
    file._connection.set_trace_callback(statements.append)
    with file.transaction():
        file.counts["refused"] += 0
    assert statements == []
    with file.transaction():
        file.counts["refused"] += 1
    assert any("refused" in statement for statement in statements)


def test_trajectories_are_read_once_each_and_all_must_be_there(file, make):
    a, b = put(file, make("a"), make("b"))
    statements = []
    file._connection.set_trace_callback(statements.append)
    found = file.trajectories([b, a, b])
    assert {seq: t.prompt_id for seq, t in found.items()} == {1: "a", 2: "b"} and len(statements) == 1
    with pytest.raises(SteelyardError, match="trajectory 9 is missing"):
        file.trajectories([a._replace(seq=9)])


def test_an_error_in_a_block_leaves_the_file_as_it_was(file, path, make):
    put(file, make("a"))
    before = dump(file)
    with pytest.raises(ZeroDivisionError), file.transaction() as events:
        events.put(make("b"), 0, b"")
        1 / 0  # noqa: B018
    file.close()
    again = Database.open(path, METADATA)
    assert dump(again) == before
    again.close()


def test_forgetting_ends_at_its_position_exactly(file, make):
    a, b = put(file, make("a"), make("b"))
    with file.transaction() as events:
        events.remove(a, "evicted")  # event 3
        events.remove(b, "evicted")  # event 4
    file.forget(3)
    assert [row[0] for row in dump(file)["rows"]] == [row[0] for row in dump(file)["bodies"]] == [b.seq]
    assert file.live_at(3) == [b.seq] and file.remembers(3) and not file.remembers(2)
    with pytest.raises(SteelyardError, match="has forgotten what was removed before event 3"):
        file.roll_back(2, {"admitted": 2})
    file.roll_back(3, {"admitted": 2, "evicted": 1})
    assert file.live() == [b]
    file.forget(2)
    assert not file.remembers(2), "what is forgotten stays so"
