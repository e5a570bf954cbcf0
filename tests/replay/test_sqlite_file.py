"""Wrong files: one line that says what and how to mend it, no byte changed, nothing left beside them."""

import hashlib
import shutil
import sqlite3

import pytest

from steelyard.core import SteelyardError
from steelyard.replay import PrioritizedReplay, ReplayBuffer, SingleUse, SingleUseQueue
from steelyard.replay.inspect import open_view


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make) -> bytes:
    """The bytes of a closed file of 600 trajectories."""
    path = tmp_path_factory.mktemp("whole") / "replay.sqlite"
    buffer = PrioritizedReplay().open(seed=0, path=path)
    for version in range(6):
        buffer.add([make(f"p{version}", i, info={"text": "x" * 200}) for i in range(100)], version=version)
    buffer.close()
    return path.read_bytes()


def other_program(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def text(path, whole):
    path.write_text("this is a note, and long enough to be read as a header of one hundred bytes " * 3)


def short_text(path, whole):
    path.write_text("a note")


def zeros(path, whole):
    path.write_bytes(bytes(8192))


def foreign_database(path, whole):
    other_program(path, "CREATE TABLE bookmarks(url)")


def foreign_database_with_a_mark(path, whole):
    other_program(path, "PRAGMA application_id=7")


def newer_format(path, whole):
    path.write_bytes(whole)
    other_program(path, "PRAGMA user_version=99")


def directory(path, whole):
    path.mkdir()


def half(path, whole):
    path.write_bytes(whole[: len(whole) // 2])


def first_page(path, whole):
    path.write_bytes(whole[:4096])


def last_bytes_missing(path, whole):
    path.write_bytes(whole[:-10])


def header_only(path, whole):
    path.write_bytes(whole[:60])


WRONG = {
    text: "not a database",
    short_text: "cannot be opened",
    zeros: "not a database",
    foreign_database: "is not a replay file",
    foreign_database_with_a_mark: "is not a replay file",
    newer_format: "has format 99, and this steelyard reads 1",
    directory: "is a directory",
    half: "malformed",
    first_page: "malformed",
    last_bytes_missing: "is truncated",
    header_only: "malformed",
}


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize(
    "open_it",
    [
        lambda path: PrioritizedReplay().open(seed=0, path=path),
        ReplayBuffer.open,
        SingleUseQueue.open,
        open_view,
    ],
    ids=["settings", "buffer", "queue", "view"],
)
def test_a_wrong_file_is_one_line_and_stays_as_it_was(spoil, open_it, path, whole):
    spoil(path, whole)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(SteelyardError, match=WRONG[spoil]) as caught:
        open_it(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing is left beside it"
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("page", [3, 5, 9, 20])
def test_a_page_of_noise_is_found_when_it_is_read(page, path, whole):
    noise = hashlib.shake_128(b"noise").digest(4096)
    path.write_bytes(whole[: page * 4096] + noise + whole[(page + 1) * 4096 :])
    before = path.read_bytes()
    with pytest.raises(SteelyardError, match=r"malformed|damaged|cannot be"), open_view(path) as view:
        view.verify()
    try:
        with_noise = ReplayBuffer.open(path)
        with_noise.close()
    except SteelyardError as error:
        assert error.exit_code == 2
    assert path.read_bytes() == before


def test_a_file_that_is_missing(path):
    for open_it in (ReplayBuffer.open, SingleUseQueue.open, open_view):
        with pytest.raises(SteelyardError, match=r"is missing; name the replay.sqlite of a run"):
            open_it(path)
    with pytest.raises(SteelyardError, match=r"its directory is missing; make the directory first"):
        PrioritizedReplay().open(seed=0, path=path.parent / "none" / "replay.sqlite")
    assert not list(path.parent.iterdir())


def test_a_file_of_no_bytes_is_new(path):
    """A process that was killed just after SQLite made the file."""
    path.touch()
    with pytest.raises(SteelyardError, match="is empty"):
        ReplayBuffer.open(path)
    with pytest.raises(SteelyardError, match="is empty"):
        open_view(path)
    PrioritizedReplay().open(seed=0, path=path).close()
    ReplayBuffer.open(path).close()


def test_a_database_without_tables_is_new(path):
    """A process that was killed after the write-ahead log was chosen, and before the tables were made."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert path.stat().st_size
    PrioritizedReplay().open(seed=0, path=path).close()


def test_a_path_with_odd_characters(tmp_path, make):
    path = tmp_path / "100% of ? and #1" / "réplay.sqlite"
    path.parent.mkdir()
    buffer = PrioritizedReplay().open(seed=0, path=path)
    buffer.add([make()], version=0)
    with open_view(path) as view:
        assert view.summary().live == 1
    buffer.close()
    assert sorted(p.name for p in path.parent.iterdir()) == ["réplay.sqlite", "réplay.sqlite.lock"]


def test_a_file_killed_while_its_log_was_moved_in(path, whole, tmp_path, make):
    """The main file ends early and the log still holds the rest: that is whole, not truncated."""
    path.write_bytes(whole)
    buffer = ReplayBuffer.open(path)
    buffer.add([make(f"late{i}", i) for i in range(50)], version=9)
    copy = tmp_path / "copy.sqlite"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    size = buffer.metrics()
    buffer.close()
    moved = path.read_bytes()
    copy.write_bytes(moved[:4096] + whole[4096:])  # page 1, which holds the new length, was moved first
    again = ReplayBuffer.open(copy)
    assert again.metrics() == size
    again.close()


def test_settings_and_kind_must_match(path):
    PrioritizedReplay(capacity=5).open(seed=3, max_staleness=2, path=path).close()
    PrioritizedReplay(capacity=5).open(seed=3, max_staleness=2, path=path).close()
    for settings, seed, bound, message in [
        (PrioritizedReplay(capacity=6), 3, 2, "capacity 5, and 6"),
        (PrioritizedReplay(capacity=5), 4, 2, "seed 3, and 4"),
        (PrioritizedReplay(capacity=5), 3, None, "max_staleness 2, and None"),
        (SingleUse(capacity=5), 3, 2, "'PrioritizedReplay', and 'SingleUse'"),
    ]:
        with pytest.raises(SteelyardError, match=message):
            settings.open(seed=seed, max_staleness=bound, path=path)
    with pytest.raises(SteelyardError, match="holds a PrioritizedReplay, not a SingleUse"):
        SingleUseQueue.open(path)
    ReplayBuffer.open(path).close()


def test_one_writer_and_any_number_of_readers(path, make):
    buffer = PrioritizedReplay().open(seed=0, path=path)
    with pytest.raises(SteelyardError, match="is being written by another process"):
        ReplayBuffer.open(path)
    with open_view(path) as before:
        buffer.add([make()], version=0)
        with open_view(path) as after:
            assert (before.summary().live, after.summary().live) == (0, 1), "a view is one moment"
    buffer.close()
    again = ReplayBuffer.open(path)
    assert again.metrics()["replay/size"] == 1
    again.close()
