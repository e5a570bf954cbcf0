import math
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.replay.inspect import COLUMNS, Bar, View, open_view


@pytest.fixture
def stored(path, make):
    """Prompt a: rewards 0, 0.25, 0.5, 0.75, 1 of versions 0 ... 4; prompt b: 1 of version 9, evicted once."""
    buffer = PrioritizedReplay(capacity_per_prompt=5).open(seed=3, max_staleness=50, path=path)
    for version in (*range(5), 9):
        buffer.publish(version, "d")
    for i in range(5):
        buffer.add([make("a", i, version=i, sample=i, reward=i / 4)], version=i + 1)
    buffer.add([make("b", 7, version=9, reward=1.0)], version=9)
    buffer.add([make("b", 7, version=9, reward=0.5), make("b", 8, version=9, digest="other")], version=10)
    yield path
    buffer.close()


def test_summary_of_a_hand_worked_file(stored):
    with open_view(stored) as view:
        summary = view.summary()
    assert (summary.live, summary.prompts, summary.removed) == (6, 2, 1)
    assert (summary.published, summary.newest_version, summary.position) == (6, 9, 6 + 6 + 2)
    assert summary.counts == {"admitted": 7, "duplicates": 1, "unknown_version": 1}
    assert (summary.metadata.settings, summary.metadata.seed) == (PrioritizedReplay(capacity_per_prompt=5), 3)
    assert summary.metadata.max_staleness == 50
    assert summary.reward.histogram == [Bar(i / 4, i / 4, count) for i, count in enumerate((1, 1, 2, 1, 1))]
    assert (summary.reward.low, summary.reward.high, summary.reward.mean) == (0, 1, 0.5)
    assert (summary.version.low, summary.version.high) == (0, 9)
    assert summary.length.histogram == [Bar(2.0, 2.0, 6)]
    assert summary.num_bytes == stored.stat().st_size


def test_many_values_make_ten_bars(path, make):
    queue = SingleUse().open(seed=0, path=path)
    queue.add([make("a", i, reward=float(i)) for i in range(101)] + [make("a", reward=None)], version=0)
    with open_view(path) as view:
        spread = view.summary().reward
    queue.close()
    assert [bar.count for bar in spread.histogram] == [10] * 9 + [11]
    assert (spread.histogram[0].low, spread.histogram[-1].high) == (0, 100)
    assert spread.mean == 50, "a failure has no reward"


def test_an_empty_file(path):
    PrioritizedReplay().open(seed=0, path=path).close()
    with open_view(path) as view:
        summary = view.summary()
        assert (summary.live, summary.reward, summary.version, summary.newest_version) == (0, None, None, None)
        assert view.prompts() == [] and list(view.trajectories()) == []
        view.verify()


def test_top_and_worst_of_each_prompt(stored):
    with open_view(stored) as view:
        a, b = view.prompts(each=2)
        assert (a.prompt, a.count, a.mean, a.low, a.high) == ("a", 5, 0.5, 0, 1)
        assert [t.reward for t in a.top] == [1, 0.75] and [t.reward for t in a.worst] == [0, 0.25]
        assert (b.prompt, [t.reward for t in b.top], b.worst) == ("b", [0.5], [])
        (a,) = view.prompts(limit=1, each=3)
        assert [t.reward for t in a.top] == [1, 0.75, 0.5] and [t.reward for t in a.worst] == [0, 0.25], "none twice"
        (a,) = view.prompts("reward < 0.6 and prompt = 'a'", each=1)
        assert (a.count, [t.reward for t in a.top], [t.reward for t in a.worst]) == (3, [0.5], [0])


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("reward > 0.5", 2), ("version >= 3 and reward = 0.5", 1), ("prompt like 'b%'", 1), ("arrived = 10", 1),
        ("length = 2", 6), ("sample in (0, 4)", 3), ("reward > 2", 0), ("true -- all", 6), ("prompt = 'a' or 1", 6),
    ],
)  # fmt: skip
def test_filters(stored, where, count):
    with open_view(stored) as view:
        assert view.summary(where).live == count
        assert len(list(view.trajectories(where))) == count
        assert sum(p.count for p in view.prompts(where)) == count


@pytest.mark.parametrize(
    "where", ["rewrd > 1", "reward >", "1; DROP TABLE rows", "?", "'", "reward = :x", ")", "gone is null"]
)
def test_a_wrong_filter_is_one_line_that_names_the_columns(stored, where):
    before = stored.read_bytes()
    with open_view(stored) as view:
        for use in (view.summary, view.prompts, lambda where: list(view.trajectories(where))):
            with pytest.raises(SteelyardError, match=r"^--where: .* is no filter") as caught:
                use(where)
            assert all(name in str(caught.value) for name in COLUMNS) and "\n" not in str(caught.value)
        assert view.summary().live == 6, "the view can still be used"
    assert stored.read_bytes() == before


def test_a_view_cannot_write(stored):
    with open_view(stored) as view, pytest.raises(sqlite3.OperationalError, match="readonly"):
        view._connection.execute("DELETE FROM rows")


def test_trajectories_come_in_the_order_of_arrival(stored):
    with open_view(stored) as view:
        found = [(arrived, t.prompt_id, t.reward) for arrived, t in view.trajectories("reward >= 0.5")]
    assert found == [(3, "a", 0.5), (4, "a", 0.75), (5, "a", 1.0), (10, "b", 0.5)]


def test_what_was_evicted_can_still_be_read(stored):
    with open_view(stored) as view:
        assert [(arrived, t.prompt_id, t.reward) for arrived, t in view.removed()] == [(9, "b", 1.0)]


def test_verify_finds_what_a_look_does_not(stored):
    for statement, message in [
        ("UPDATE bodies SET data = x'91' WHERE seq = 8", "trajectory 8 cannot be read"),
        ("DELETE FROM bodies WHERE seq = 8", r"trajectories are missing \(1\)"),
        ("DELETE FROM prompts WHERE name = 'b'", r"prompts are missing \(2\)"),
    ]:
        other = sqlite3.connect(stored, isolation_level=None)
        view = View(other, stored)
        other.execute(statement)
        with pytest.raises(SteelyardError, match=message):
            view.verify()
        other.close()  # and what was changed is as before


@given(st.lists(st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=40))
@settings(max_examples=40)
def test_every_reward_is_in_one_bar(make, tmp_path_factory, rewards):
    path = tmp_path_factory.mktemp("bars") / "replay.sqlite"
    queue = SingleUse().open(seed=0, path=path)
    queue.add([make("a", i, reward=r) for i, r in enumerate(rewards)], version=0)
    with open_view(path) as view:
        spread = view.summary().reward
    queue.close()
    assert sum(bar.count for bar in spread.histogram) == len(rewards)
    assert (spread.low, spread.high) == (min(rewards), max(rewards))
    assert math.isclose(spread.mean, sum(rewards) / len(rewards), rel_tol=1e-6, abs_tol=1e290)
