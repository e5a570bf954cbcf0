"""What holds for both replays over a file: the ledger, opening again, going back, forgetting, and files that fail."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.core import FaultError, Replay, SteelyardError
from steelyard.replay import PrioritizedReplay, ReplayBuffer, SingleUse, SingleUseQueue
from steelyard.replay.inspect import open_view

KINDS = {"buffer": (PrioritizedReplay(), ReplayBuffer), "queue": (SingleUse(), SingleUseQueue)}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def replay(kind, path):
    opened = kind[0].open(seed=0, path=path)
    yield opened
    opened.close()


def size(replay) -> int:
    return int(replay.metrics()["replay/size"])


def group(make, prompt_id, first=0, **changes):
    return [make(prompt_id, first + i, sample=first + i, **changes) for i in range(2)]


def live(path) -> list[tuple[str, int]]:
    with open_view(path) as view:
        view.verify()
        return [(t.prompt_id, int(t.tokens_T[1])) for _, t in view.trajectories()]


def test_they_are_replays(replay):
    assert isinstance(replay, Replay)


# The ledger


def test_before_anything_is_published_every_trajectory_is_taken(replay, make):
    assert replay.newest_version() is None
    assert replay.add([make(version=5, digest="any")], version=5) == 1


def test_data_of_unknown_weights_is_refused(replay, make):
    replay.publish(0, "d")
    replay.publish(1, "e")
    arrivals = [
        make("a", version=0),
        make("b", version=1, digest="d"),
        make("c", version=2),
        make("e", version=2, reward=None),
        make("f", version=1, digest="e"),
    ]
    assert replay.add(arrivals, version=1) == 2
    metrics = replay.metrics()
    assert (metrics["replay/unknown_version"], metrics["replay/errors"], metrics["replay/size"]) == (3, 0, 2)
    assert replay.newest_version() == 1


def test_a_version_names_one_set_of_weights(replay, kind, path):
    replay.publish(3, "d")
    position = replay.state()["position"]
    replay.publish(3, "d")
    assert replay.state()["position"] == position, "the same entry again is no event"
    with pytest.raises(SteelyardError, match="version 3 is known with digest d, and e is published"):
        replay.publish(3, "e")
    with pytest.raises(SteelyardError, match="version 3 is known"):
        replay.publish_all({2: "c", 3: "e"})
    replay.publish(1, "a")
    assert replay.newest_version() == 3
    replay.close()
    again = kind[1].open(path)
    assert again.newest_version() == 3
    assert again._file.weights == {3: "d", 1: "a"}, "neither entry of the refused call"
    again.close()


# Opening again


def test_a_file_continues_with_all_it_had(replay, kind, path, make):
    replay.publish(0, "d")
    replay.add([*group(make, "a"), make("b", reward=None), make("c", digest="wrong")], version=0)
    before, state = replay.metrics(), replay.state()
    replay.close()
    for open_again in (kind[1].open, lambda path: kind[0].open(seed=0, path=path)):
        again = open_again(path)
        assert again.metrics() == before
        assert again.state()["position"] == state["position"]
        assert again.sample(1, 2, version=0, draw=0) is not None
        assert again.newest_version() == 0
        again.restore(state, keep_later=False)
        again.close()


def test_a_closed_replay_says_so(replay, make):
    replay.close()
    replay.close()
    uses = [
        lambda: replay.add([make()], version=0),
        lambda: replay.add([], version=0),
        lambda: replay.sample(1, 1, version=0, draw=0),
        replay.metrics,
        replay.state,
        lambda: replay.restore(None, keep_later=False),
        lambda: replay.admitted_since(None),
        lambda: replay.forget({"position": 0}),
        lambda: replay.publish(0, "d"),
    ]
    for use in uses:
        with pytest.raises(SteelyardError, match="cannot be used: it is closed; open it again"):
            use()


def test_every_field_of_a_trajectory_comes_back(replay, make, bodies):
    sent = make(
        "p", 3, version=4, sample=9, reward=0.1 + 0.2, logp_ref_T=np.array([0, -1.5], np.float32), ref_version=2,
        reward_parts={"right": 1.0, "odd": float("inf")}, info={"list": [1, None, {"k": "é"}], "bytes": b"\0\xff"},
    )  # fmt: skip
    replay.add([sent], version=4)
    ((back,),) = replay.sample(1, 1, version=4, draw=0)
    assert bodies([[back]]) == bodies([[sent]])
    assert back.reward == 0.1 + 0.2 and back.info == sent.info and back.reward_parts == sent.reward_parts


def test_a_trajectory_that_has_no_bytes_is_refused_before_anything_changes(replay, make):
    replay.add([make("a")], version=0)
    with pytest.raises(TypeError):
        replay.add([make("b"), make("c", info={"what": object()})], version=0)
    assert size(replay) == 1
    assert replay.add([make("d")], version=0) == 1


# Going back


def test_restore_is_exact(replay, path, make):
    replay.publish(0, "d")
    replay.add([*group(make, "a"), *group(make, "b")], version=0)
    replay.sample(1, 2, version=0, draw=0)
    state, before, stored = replay.state(), replay.metrics(), live(path)
    replay.publish(1, "e")
    replay.add([*group(make, "a", 5), make("z", digest="wrong")], version=1)
    replay.sample(1, 2, version=1, draw=1)
    assert replay.metrics() != before
    replay.restore(state, keep_later=False)
    assert replay.metrics() == before and replay.newest_version() == 0
    assert live(path) == stored
    assert replay.state() == state
    replay.publish(1, "other")  # the entry is gone too


def test_restore_to_nothing_is_empty(replay, path, make):
    fresh = replay.state()
    replay.publish(0, "d")
    replay.add(group(make, "a"), version=0)
    replay.forget(replay.state())
    replay.restore(None, keep_later=False)
    assert replay.state() == fresh and live(path) == [] and replay.newest_version() is None
    assert replay.add([make(digest="other")], version=0) == 1


def test_what_was_admitted_since(replay, make):
    replay.publish(0, "d")
    replay.add(group(make, "a"), version=0)
    state = replay.state()
    assert replay.admitted_since(state) == []
    replay.add([make("b", 0, sample=4), make("a", 0, sample=2, version=0), make("c", digest="wrong")], version=0)
    replay.sample(1, 2, version=0, draw=0)
    assert replay.admitted_since(state) == [("b", 4), ("a", 2)]
    assert replay.admitted_since(None) == [("a", 0), ("a", 1), ("b", 4), ("a", 2)]


def test_keep_later_keeps_what_arrived(replay, path, make):
    replay.add(group(make, "a"), version=0)
    state = replay.state()
    replay.publish(0, "d")
    replay.add(group(make, "b"), version=0)
    before, stored = replay.metrics(), live(path)
    replay.restore(state, keep_later=True)
    assert replay.metrics() == before and live(path) == stored and replay.newest_version() == 0
    replay.restore(None, keep_later=True)
    assert replay.metrics() == before and live(path) == stored


def test_a_state_ahead_of_the_file_is_refused(replay, kind, tmp_path, make):
    replay.add(group(make, "a"), version=0)
    state = replay.state()
    other = kind[0].open(seed=0, path=tmp_path / "other.sqlite")
    for keep_later in (False, True):
        with pytest.raises(
            SteelyardError, match="ends at event 0, and the checkpoint was made at event 2; put the run"
        ):
            other.restore(state, keep_later=keep_later)
    assert other.add([make()], version=0) == 1, "and it can still be used"
    other.close()


def test_a_state_of_another_file_is_refused_and_changes_nothing(replay, kind, tmp_path, path, make):
    other = kind[0].open(seed=0, path=tmp_path / "other.sqlite")
    other.publish(0, "d")
    other.add([make("a")], version=0)
    state = other.state()
    other.close()
    replay.add([*group(make, "a"), make("b")], version=0)
    for keep_later in (False, True):
        with pytest.raises(
            SteelyardError, match="holds other trajectories than the checkpoint names; put the run's own"
        ):
            replay.restore(state, keep_later=keep_later)
    assert len(live(path)) == size(replay) == 3


@pytest.mark.parametrize("wrong", [{"position": "x"}, {"counts": [1]}, {"position": 1.5}, {"counts": {"used": "two"}}])
def test_a_state_that_is_none_is_refused(replay, wrong):
    for use in (
        lambda: replay.restore(wrong, keep_later=False),
        lambda: replay.admitted_since({"position": 0} | wrong),
    ):
        with pytest.raises(SteelyardError, match="replay state is wrong"):
            use()


def test_forget_deletes_what_was_removed_and_nothing_else(replay, path, make):
    replay.add([*group(make, "a"), *group(make, "b")], version=0)
    early = replay.state()
    replay.sample(1, 2, version=0, draw=0)
    replay.add([make("a", 1, version=1)], version=1)  # the buffer drops the twin; the queue has handed out a
    late = replay.state()
    replay.add([make("b", 0, version=2)], version=2)
    replay.sample(1, 2, version=2, draw=1)
    stored, before = live(path), replay.metrics()
    with open_view(path) as view:
        removed = view.summary().removed
    replay.forget(late)
    with open_view(path) as view:
        assert 0 < removed - view.summary().removed < removed
        ((bodies,),) = view._connection.execute("SELECT count(*) FROM bodies")
        assert bodies == view.summary().live + view.summary().removed
    assert live(path) == stored and replay.metrics() == before
    with pytest.raises(SteelyardError, match=r"has forgotten what was removed before event \d+; resume from a newer"):
        replay.restore(early, keep_later=False)
    replay.restore(late, keep_later=False)
    assert replay.state() == late


def test_forget_survives_opening_again(replay, kind, path, make):
    replay.add(group(make, "a"), version=0)
    early = replay.state()
    replay.add(group(make, "b"), version=0)
    replay.forget(replay.state())
    replay.close()
    again = kind[1].open(path)
    with pytest.raises(SteelyardError, match="has forgotten"):
        again.restore(early, keep_later=False)
    again.close()


# Power cuts and failing disks


def test_state_syncs_even_where_nothing_has_changed(replay, make):
    """An update that changes no byte is not written by SQLite, and what is not written is not synced."""
    replay.add([make()], version=0)
    log = replay._file.path.with_name("replay.sqlite-wal")
    statements = []
    replay._file._connection.set_trace_callback(statements.append)
    for _ in range(2):
        statements.clear()
        frames = log.read_bytes()
        replay.state()
        assert statements[0] == "PRAGMA synchronous=FULL" and statements[-1] == "PRAGMA synchronous=NORMAL"
        assert log.read_bytes() != frames


def test_a_full_disk_loses_nothing_that_was_acknowledged(replay, kind, path, make):
    (pages,) = replay._file._connection.execute("PRAGMA page_count").fetchone()
    replay._file._connection.execute(f"PRAGMA max_page_count={pages + 10}")
    acknowledged = []
    with pytest.raises(
        FaultError, match=r"cannot be written \(database or disk is full\); .* is safe; free some space"
    ):
        for i in range(1000):
            replay.add(group(make, f"p{i}", info={"text": "x" * 500}), version=0)
            acknowledged += [(f"p{i}", 0), (f"p{i}", 1)]
    assert 0 < len(acknowledged) < 2000
    with pytest.raises(SteelyardError, match=r"cannot be used: an earlier call failed \(OperationalError\)"):
        replay.add([make()], version=0)
    with pytest.raises(SteelyardError, match="cannot be used"):
        replay.metrics()
    replay.close()
    assert live(path) == acknowledged
    again = kind[1].open(path)
    assert size(again) == len(acknowledged) and again.metrics()["replay/admitted"] == len(acknowledged)
    assert again.add([make("more")], version=0) == 1, "there is room again"
    again.close()


def test_a_call_that_is_interrupted_is_not_stored_by_the_next(replay, path, make, monkeypatch):
    replay.add([make("a")], version=0)
    monkeypatch.setattr(replay._file, "_store", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        replay.add([make("b")], version=0)
    monkeypatch.undo()
    with pytest.raises(SteelyardError, match=r"an earlier call failed \(KeyboardInterrupt\)"):
        replay.add([make("c")], version=0)
    replay.close()
    assert live(path) == [("a", 0)]


def test_a_body_that_is_damaged_or_missing_is_a_fault(kind, path, make):
    for statement, message in [
        ("UPDATE bodies SET data = x'00'", r"trajectory 1 cannot be read"),
        ("DELETE FROM bodies", r"trajectory 1 is missing"),
    ]:
        replay = kind[0].open(seed=0, path=path)
        replay.add([make("a")], version=0)
        replay._file._connection.execute(statement)
        with pytest.raises(FaultError, match=rf"is damaged: {message}.*; take a copy that is whole"):
            replay.sample(1, 1, version=0, draw=0)
        replay.close()
        path.unlink()


def test_rows_that_do_not_fit_the_counters_are_damage(replay, kind, path, make):
    replay.add(group(make, "a"), version=0)
    replay._file._connection.execute("DELETE FROM rows WHERE seq = 1")
    replay.close()
    with pytest.raises(SteelyardError, match="is damaged: it holds 1 trajectories, and its counters say 2") as caught:
        kind[1].open(path)
    assert caught.value.exit_code == 2
    with pytest.raises(SteelyardError, match="is damaged"):
        kind[1].open(path)  # the lock was given back


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM state", "it does not say what it is"),
        ("DELETE FROM meta", "it does not say what it is"),
        ("UPDATE state SET counts = '[1]'", "its counters"),
        ("UPDATE meta SET origin = '{'", "its settings are damaged"),
        ("DELETE FROM prompts", "names of prompts are missing"),
        ("DROP TABLE bodies", "cannot be"),
    ],
)
def test_tables_that_were_tampered_with_are_one_line(kind, path, make, statement, message):
    replay = kind[0].open(seed=0, path=path)
    replay.add([make("a")], version=0)
    replay._file._connection.execute(statement)
    replay.close()
    with pytest.raises(SteelyardError, match=message) as caught:
        opened = kind[1].open(path)
        with opened._file.closed_on_error():
            opened.sample(1, 1, version=0, draw=0)
    assert "\n" not in str(caught.value)
    with pytest.raises(SteelyardError, match="damaged"), open_view(path) as view:
        view.summary()
        view.verify()


@pytest.fixture(scope="module")
def killed(tmp_path_factory, make):
    """A file and its log as a killed process leaves them, after 12 calls of 3 trajectories each."""
    directory = tmp_path_factory.mktemp("killed")
    buffer = PrioritizedReplay().open(seed=0, path=directory / "live.sqlite")
    for i in range(12):
        buffer.add([make(f"p{i}", j, info={"text": "x" * 300}) for j in range(3)], version=0)
    for suffix in ("", "-wal"):
        shutil.copy(directory / f"live.sqlite{suffix}", directory / f"killed.sqlite{suffix}")
    buffer.close()
    return directory / "killed.sqlite"


def test_a_killed_process_loses_nothing(killed, path):
    for suffix in ("", "-wal"):
        shutil.copy(f"{killed}{suffix}", f"{path}{suffix}")
    assert len(live(path)) == 36
    buffer = ReplayBuffer.open(path)
    assert size(buffer) == 36
    buffer.close()
    assert len(live(path)) == 36


@given(st.floats(0, 1), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_log_holds_whole_calls_from_the_first_on(killed, path, share, torn):
    """The log is cut at any byte, or any byte of it is changed: what is left is the first n calls, whole."""
    shutil.copy(killed, path)
    log = bytearray(killed.with_name("killed.sqlite-wal").read_bytes())
    at = min(int(share * len(log)), len(log) - 1)
    if torn:
        del log[at:]
    else:
        log[at] ^= 0xFF
    path.with_name("replay.sqlite-wal").write_bytes(log)
    path.with_name("replay.sqlite-shm").unlink(missing_ok=True)
    buffer = PrioritizedReplay().open(seed=0, path=path)
    stored = size(buffer)
    buffer.close()
    assert stored % 3 == 0
    assert live(path) == [(f"p{i}", j) for i in range(stored // 3) for j in range(3)]
