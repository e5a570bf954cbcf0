"""Filters and orders against the same question asked of the file, and an index that follows what a run does to it."""

import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from steelyard.replay import PrioritizedReplay, ReplayBuffer, SingleUse
from steelyard.replay.browse import ORDERS, Filter, causes, composition, sequence, stored
from steelyard.replay.inspect import open_view
from steelyard.replay.row_index import RowIndex

SQL = {
    "newest": "seq DESC",
    "oldest": "seq",
    "reward-high": "reward DESC NULLS LAST, seq DESC",
    "reward-low": "reward ASC NULLS LAST, seq DESC",
    "version": "version DESC, seq DESC",
    "longest": "length DESC, seq DESC",
    "shortest": "length, seq DESC",
}


@pytest.fixture
def buffer(path, make):
    opened = PrioritizedReplay(capacity_per_prompt=4).open(seed=0, path=path)
    for version in range(3):
        opened.publish(version, "d")
    for i in range(18):
        reward = None if i == 5 else (i * 7 % 5) / 4
        opened.add([make(f"P{i % 3}", i, version=i % 3, sample=i, reward=reward)], version=i % 3 + i // 6)
    yield opened
    opened.close()


def index_of(path, index=None):
    index = index or RowIndex()
    with open_view(path) as view:
        index.update(view)
    return index


def test_every_order_and_filter_agrees_with_sql(path, buffer):
    index = index_of(path)
    filters = {
        Filter(): "gone IS NULL",
        Filter(state="removed"): "gone IS NOT NULL",
        Filter(state="all", reward_low=0.25, reward_high=0.75): "reward BETWEEN 0.25 AND 0.75",
        Filter(state="all", version_low=1, version_high=1, until=20): "version = 1 AND seq <= 20",
        Filter(state="all", prompts=frozenset({"P2", "elsewhere"})): "name = 'P2'",
        Filter(state="all", prompts=frozenset({"P2"}), same=int(index.seq_R[4])): "false",
        Filter(state="all", same=int(index.seq_R[4])): "name = 'P1'",
        Filter(state="all", same=1): "false",
    }
    with closing(sqlite3.connect(path)) as file:
        for asked, where in filters.items():
            for order in SQL:
                query = f"SELECT seq FROM rows JOIN prompts ON id = prompt WHERE {where} ORDER BY {SQL[order]}"
                assert sequence(index, asked, order).tolist() == [seq for (seq,) in file.execute(query)], (asked, order)


def test_an_index_follows_the_file(path, buffer, make):
    index = index_of(path)
    before = buffer.state()
    buffer.add([make("new", 90 + i, version=2, sample=i, reward=1.0) for i in range(6)], version=3)
    assert same(index_of(path, index), index_of(path)) and (index.gone_R > 0).any()
    buffer.restore(before, keep_later=False)
    assert same(index_of(path, index), index_of(path))
    buffer.add([make("other", 70, version=2, reward=0.5)], version=3)
    assert same(index_of(path, index), index_of(path)) and index.names[int(index.prompt_R[-1])] == "other"
    assert [row.prompt for row in stored(index, [int(index.seq_R[-1]), 10**6])] == ["other"]


def drawn(index):
    return dict(zip(index.sample_R.tolist(), index.drawn_R.tolist(), strict=True))


def test_draws_are_counted_kept_and_taken_back(path, buffer, make):
    """Every place in a batch counts, also of a trajectory that a short group repeats."""
    assert set(ORDERS) == {*SQL, "most-drawn"}
    index = index_of(path)
    assert index.keeps_draws and not index.drawn_R.any()
    first = Counter(t.sample for group in buffer.sample(2, 6, version=3, draw=0) for t in group)
    before = buffer.state()
    assert drawn(index_of(path, index)) == drawn(index) | first
    again = first + Counter(t.sample for group in buffer.sample(3, 2, version=3, draw=1) for t in group)
    assert sum(again.values()) == 18 and max(first.values()) > 1
    assert drawn(index_of(path, index)) == dict.fromkeys(drawn(index), 0) | again
    most = stored(index, sequence(index, Filter(), "most-drawn").tolist())
    assert [row.drawn for row in most] == sorted((again[row.sample] for row in most), reverse=True)
    buffer.restore(before, keep_later=False)
    buffer.publish(3, "d")
    buffer.publish(4, "d")
    assert drawn(index_of(path, index)) == dict.fromkeys(drawn(index), 0) | first, "the later draw is undone"


def test_a_queue_keeps_its_draws_and_a_draw_that_must_wait_is_none(path, make):
    with closing(SingleUse().open(seed=0, path=path)) as queue:
        queue.add([make("a", i, version=0, sample=i, reward=1.0) for i in range(3)], version=0)
        assert queue.sample(2, 2, version=0, draw=0) is None
        assert queue.sample(1, 2, version=0, draw=0) is not None
        assert drawn(index_of(path)) == {0: 1, 1: 1, 2: 0}


def why_of(path):
    """Sample -> why it was removed."""
    index = index_of(path)
    with open_view(path) as view:
        found = causes(view, index.seq_R.tolist())
    return {row.sample: found[row.seq] for row in stored(index, [*found])}


def test_the_file_says_why_each_was_removed(path, make):
    """A full prompt evicts its oldest, an equal one takes the place of another, and a draw drops what is over age."""
    settings = PrioritizedReplay(capacity_per_prompt=2)
    with closing(settings.open(seed=0, path=path, max_staleness=2)) as buffer:
        buffer.add([make("a", i, version=1, sample=i, reward=1.0) for i in range(3)], version=1)
        buffer.add([make("b", 9, version=v, sample=v + 5, reward=1.0) for v in (1, 2)], version=2)
        before = buffer.state()
        buffer.sample(1, 1, version=4, draw=0)
        assert why_of(path) == {0: "evicted", 1: "over-age", 2: "over-age", 6: "duplicates"}
        assert buffer.metrics()["replay/evicted"] == 3
        buffer.restore(before, keep_later=False)
        assert why_of(path) == {0: "evicted", 6: "duplicates"}


def test_a_queue_says_what_was_used_and_what_was_too_old(path, make):
    with closing(SingleUse().open(seed=0, path=path, max_staleness=1)) as queue:
        queue.add([make("a", i, version=i // 2, sample=i, reward=1.0) for i in range(4)], version=1)
        assert queue.sample(1, 2, version=2, draw=0) is not None
        assert why_of(path) == {0: "over-age", 1: "over-age", 2: "used", 3: "used"}


def test_a_file_of_before_says_no_causes_until_it_is_written(path, buffer):
    buffer.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE rows DROP COLUMN why")
    assert why_of(path) == {}
    ReplayBuffer.open(path).close()
    with open_view(path) as view:
        assert view.keeps_causes and causes(view, [1, 2, 3]) == {}


def test_a_file_that_does_not_keep_draws_says_so_and_keeps_them_once_written(path, buffer):
    buffer.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TABLE draws")
    index = index_of(path)
    assert [row.drawn for row in stored(index, index.seq_R.tolist())] == [None] * len(index.seq_R)
    with closing(ReplayBuffer.open(path)) as again:
        again.sample(1, 1, version=3, draw=0)
    assert int(index_of(path, index).drawn_R.sum()) == 1


def same(one, two) -> bool:
    return one.names == two.names and all(
        (one.columns[n].astype(str) == c.astype(str)).all() for n, c in two.columns.items()
    )


def test_composition_by_hand(path, buffer):
    made = composition(index_of(path), moments=2, ranges=3)
    assert made is not None and made.labels == ["version 0", "version 1", "version 2"]
    assert made.share_BM[:, 0].tolist() == [1, 0, 0] and made.share_BM[:, -1] == pytest.approx([1 / 3] * 3)
    assert made.at_M.tolist() == [0, 4]
