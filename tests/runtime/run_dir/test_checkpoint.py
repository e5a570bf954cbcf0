import errno
import json
import math
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import FaultError, SteelyardError
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.checkpoint import begin, read_state, rotate, seal, whole, write_state

SYSCALLS = ("fsync", "replace", "mkdir", "unlink", "rmdir", "open")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it and nothing runs after it."""


def make(run_dir: Path, step: int, contents: str = "") -> Path:
    part = begin(run_dir, step)
    write_state(part, {"contents": contents or f"of {step}"})
    (part / "weights.bin").write_bytes(bytes(range(step % 200 + 1)))
    return seal(part)


def contents(found: tuple[Path | None, list[str]]) -> str | None:
    return None if found[0] is None else read_state(found[0])["contents"]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_was_sealed_is_found_and_reads_back(tmp_path: Path) -> None:
    assert whole(tmp_path) == (None, [])
    assert whole(tmp_path / "nowhere") == (None, [])
    sealed = make(tmp_path, 7)
    assert sealed == tmp_path / "checkpoint-7"
    assert whole(tmp_path) == (sealed, [])
    assert names(tmp_path) == ["checkpoint-7"]
    assert json.loads((sealed / "manifest.json").read_text())["files"]["weights.bin"]["bytes"] == 8


def test_newest_is_by_number_not_by_name(tmp_path: Path) -> None:
    for step in (2, 9, 10, 100):
        make(tmp_path, step)
    assert whole(tmp_path)[0] == tmp_path / "checkpoint-100"


def test_a_part_is_no_checkpoint_and_the_next_begin_removes_it(tmp_path: Path) -> None:
    write_state(begin(tmp_path, 3), {})
    assert whole(tmp_path) == (None, [])
    begin(tmp_path, 5)
    assert names(tmp_path) == [".checkpoint-5.part"]


def test_rotation_keeps_the_newest_and_says_which_is_oldest(tmp_path: Path) -> None:
    assert rotate(tmp_path, 2) is None
    for step in (0, 10, 20):
        make(tmp_path, step)
    assert rotate(tmp_path, 2) == tmp_path / "checkpoint-10"
    assert names(tmp_path) == ["checkpoint-10", "checkpoint-20"]
    assert rotate(tmp_path, 1) == tmp_path / "checkpoint-20"
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "checkpoint-007").mkdir()
    assert rotate(tmp_path, 1) == tmp_path / "checkpoint-20"
    assert names(tmp_path) == ["checkpoint-007", "checkpoint-20", "checkpoint-notes"], "others' names are left alone"


def test_a_damaged_checkpoint_is_skipped_named_and_replaced(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        make(tmp_path, step)
    (tmp_path / "checkpoint-3/weights.bin").write_bytes(b"\0\0\2\3")
    (tmp_path / "checkpoint-2/manifest.json").unlink()
    found, damaged = whole(tmp_path)
    assert found == tmp_path / "checkpoint-1"
    assert [line.split(": ")[1].split(";")[0] for line in damaged] == [
        "is not what was written",
        "cannot be read (No such file or directory)",
    ]
    make(tmp_path, 2)  # the run went on from 1, and got to 2: 3 belongs to a future that was given up
    assert names(tmp_path) == ["checkpoint-1", "checkpoint-2"]
    assert rotate(tmp_path, 1) == tmp_path / "checkpoint-2"


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def rename_in_manifest(name: str) -> Callable[[Path], None]:
    def damage(checkpoint: Path) -> None:
        data = json.loads((checkpoint / "manifest.json").read_text())
        data["files"][name] = data["files"].pop("weights.bin")
        (checkpoint / "manifest.json").write_text(json.dumps(data))

    return damage


def link(name: str) -> Callable[[Path], None]:
    def damage(checkpoint: Path) -> None:
        (checkpoint / name).rename(checkpoint.parent / "elsewhere")
        (checkpoint / name).symlink_to(checkpoint.parent / "elsewhere")

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: shorten(c / "weights.bin"), "has 4 bytes of 5"),
        (lambda c: (c / "weights.bin").write_bytes(b"12345"), "is not what was written"),
        (lambda c: (c / "weights.bin").unlink(), "cannot be read (No such file"),
        (lambda c: (c / "state.json").unlink(), "cannot be read (No such file"),
        (lambda c: shorten(c / "manifest.json"), "is not what was written|is not what a checkpoint holds"),
        (lambda c: os.truncate(c / "manifest.json", 20), "is not what a checkpoint holds"),
        (lambda c: (c / "manifest.json").write_bytes(b""), "is not what a checkpoint holds"),
        (lambda c: (c / "manifest.json").write_bytes(b"\xff\xfe{}"), "is not what a checkpoint holds"),
        (lambda c: (c / "manifest.json").write_text("[]"), "is not what a checkpoint holds"),
        (lambda c: (c / "manifest.json").write_text("[" * 100_000), "is not what a checkpoint holds"),
        (lambda c: (c / "manifest.json").write_text('{"files": {"a": {"bytes": "4"}}}'), "not what a checkpoint holds"),
        (rename_in_manifest("../weights.bin"), "no file of its own"),
        (rename_in_manifest("/etc/hostname"), "no file of its own"),
        (rename_in_manifest("a/b"), "no file of its own"),
        (rename_in_manifest(".."), "no file of its own"),
        (rename_in_manifest(""), "no file of its own"),
        (rename_in_manifest("a\0b"), "no file of its own"),
        (link("weights.bin"), "is a symbolic link"),
        (link("manifest.json"), "is a symbolic link"),
        (lambda c: (shutil.rmtree(c), c.write_text("")), "cannot be read (Not a directory)"),
        (lambda c: (c.rename(c.parent / "away"), c.symlink_to(c.parent / "away")), "is a symbolic link"),
        (lambda c: ((c / "weights.bin").unlink(), (c / "weights.bin").mkdir()), "has |cannot be read (Is a directory)"),
    ],
)
def test_each_kind_of_damage_is_one_line(tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    before = make(tmp_path, 3)
    damage(make(tmp_path, 4))
    found, damaged = whole(tmp_path)
    if damaged:  # cutting the manifest's last line break alone is no damage
        assert found == before
        assert len(damaged) == 1
        assert "\n" not in damaged[0]
        assert any(part in damaged[0] for part in says.split("|"))
    else:
        assert found == tmp_path / "checkpoint-4"
    make(tmp_path, 4)
    assert whole(tmp_path) == (tmp_path / "checkpoint-4", [])


# Kills


def kill_at(patch: pytest.MonkeyPatch, last: int) -> None:
    """Die at the call number `last` of those that change or sync the disk; half of a file is written then."""
    calls = iter(range(last))

    def dying(real: Callable) -> Callable:
        def call(*args: object, **named: object) -> object:
            if next(calls, None) is None:
                raise Killed
            return real(*args, **named)

        return call

    def torn(real: Callable) -> Callable:
        def write(path: Path, data: bytes) -> int:
            if next(calls, None) is None:
                real(path, data[: len(data) // 2])
                raise Killed
            return real(path, data)

        return write

    for name in SYSCALLS:
        patch.setattr(os, name, dying(getattr(os, name)))
    patch.setattr(Path, "write_bytes", torn(Path.write_bytes))


def killed_everywhere(do: Callable[[Path], object], prepare: Callable[[Path], object], base: Path) -> Iterator[Path]:
    """Yield a run directory for each place at which a kill can stop `do`, and at the end one where nothing did."""
    for last in range(10_000):
        run_dir = base / str(last)
        run_dir.mkdir()
        prepare(run_dir)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, last)
            try:
                do(run_dir)
                done = True
            except Killed:
                done = False
        yield run_dir
        if done:
            assert last > 5, "the test kills nothing"
            return


def test_killed_anywhere_while_replacing_the_old_or_the_new_is_whole(tmp_path: Path) -> None:
    """Every boundary between two system calls of begin and seal, over a checkpoint of the same name."""
    seen = []
    for run_dir in killed_everywhere(lambda d: make(d, 5, "new"), lambda d: make(d, 5, "old"), tmp_path):
        seen.append(contents(whole(run_dir)))
        assert whole(run_dir)[1] == []
        make(run_dir, 5, "newest")  # whatever was left behind does not disturb the next
        assert contents(whole(run_dir)) == "newest"
        assert names(run_dir) == ["checkpoint-5"]
    assert set(seen) == {"old", "new"}
    assert seen == sorted(seen, key=["old", "new"].index), "once the new one is whole, it stays"


def test_killed_anywhere_while_adding_and_rotating(tmp_path: Path) -> None:
    def prepare(run_dir: Path) -> None:
        make(run_dir, 1)
        make(run_dir, 2)

    def work(run_dir: Path) -> None:
        make(run_dir, 3)
        rotate(run_dir, 2)

    for run_dir in killed_everywhere(work, prepare, tmp_path):
        assert contents(whole(run_dir)) in ("of 2", "of 3")
        assert all(checkpoint._is_whole(path) for path in run_dir.glob("checkpoint-*")), "no half under a good name"
        work(run_dir)
        assert names(run_dir) == ["checkpoint-2", "checkpoint-3"]


def test_killed_anywhere_while_removing_a_damaged_later_one(tmp_path: Path) -> None:
    def prepare(run_dir: Path) -> None:
        make(run_dir, 1)
        (make(run_dir, 4) / "weights.bin").write_text("damage")

    for run_dir in killed_everywhere(lambda d: make(d, 2), prepare, tmp_path):
        assert contents(whole(run_dir)) in ("of 1", "of 2")


@pytest.mark.parametrize("seed", range(20))
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    """A run that is killed at random moments and goes on from what is whole never goes back, but for the last part."""
    draw, newest = random.Random(seed), 0
    for _ in range(12):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, draw.randrange(80))
            try:
                for step in range(newest, newest + 3):
                    make(tmp_path, step)
                    rotate(tmp_path, 2)
                    newest = step
            except Killed:
                pass
        found, damaged = whole(tmp_path)
        assert not damaged
        now = -1 if found is None else int(read_state(found)["contents"].removeprefix("of "))
        assert now >= newest or newest == 0
        newest = max(now, 0)
    assert newest > 0


def test_both_left_by_a_kill_and_one_damaged_leaves_the_other(tmp_path: Path) -> None:
    for damaged in ("checkpoint-5", ".checkpoint-5.old"):

        def prepare(run_dir: Path, damaged: str = damaged) -> None:
            make(run_dir, 5, "old").rename(run_dir / ".checkpoint-5.old")
            make(run_dir, 6, "new").rename(run_dir / "checkpoint-5")
            (run_dir / damaged / "weights.bin").write_text("damage")

        base, found = tmp_path / damaged.strip("."), []
        base.mkdir()
        for run_dir in killed_everywhere(lambda d: make(d, 5, "newest"), prepare, base):
            found.append(contents(whole(run_dir)))
        assert set(found) == {"old" if damaged == "checkpoint-5" else "new", "newest"}


def test_all_is_durable_before_the_name_and_the_name_before_the_old_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of events that a power cut relies on, which no kill can show."""
    make(tmp_path, 5, "old")
    events: list[str] = []

    def noting(name: str, real: Callable) -> Callable:
        def call(*args: object, **named: object) -> object:
            path = Path(f"/proc/self/fd/{args[0]}").readlink() if name == "fsync" else Path(str(args[0]))
            events.append(f"{name} {path.name}")
            return real(*args, **named)

        return call

    for name in ("fsync", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    make(tmp_path, 5, "new")
    part, old = ".checkpoint-5.part", ".checkpoint-5.old"
    named = events.index(f"replace {part}")
    for file in ("state.json", "weights.bin", "manifest.json", part):
        assert events.index(f"fsync {file}") < named
    assert events.index("fsync manifest.json") < events.index(f"fsync {part}") < events.index("replace checkpoint-5")
    assert named < events.index(f"fsync {tmp_path.name}") < events.index(f"rmdir {old}")
    assert events[named : events.index(f"rmdir {old}")].count(f"fsync {tmp_path.name}") == 1
    assert not any(event.startswith("unlink") for event in events[: named + 2]), "nothing is deleted before"


# Disks that say no


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_disk_that_says_no_is_one_line_and_nothing_whole_is_lost(tmp_path: Path, code: int) -> None:
    """At every system call of begin and seal."""
    make(tmp_path, 1, "old")
    for last in range(10_000):
        calls = iter(range(last))
        with pytest.MonkeyPatch.context() as patch:

            def failing(real: Callable, calls: Iterator[int] = calls) -> Callable:
                def call(*args: object, **named: object) -> object:
                    if next(calls, None) is None:
                        raise OSError(code, os.strerror(code))
                    return real(*args, **named)

                return call

            for name in ("fsync", "replace", "mkdir", "unlink", "rmdir"):
                patch.setattr(os, name, failing(getattr(os, name)))
            try:
                make(tmp_path, 1, "new")
                done = True
            except FaultError as error:
                assert os.strerror(code) in str(error)
                done = False
        assert contents(whole(tmp_path)) in ("old", "new")
        if done:
            return


def test_a_full_disk_while_the_state_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    part = begin(tmp_path, 1)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FaultError, match=r"state.json: cannot be written \(No space left on device\); make room"):
        write_state(part, {})
    with pytest.raises(FaultError, match="No space left"):
        seal(part)
    assert whole(tmp_path) == (None, [])


# State

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(), plain))
def test_state_reads_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, state: dict) -> None:
    part = tmp_path_factory.mktemp("state")
    write_state(part, state)
    assert repr(read_state(part)) == repr(state), "repr tells 1 from 1.0 and 0.0 from -0.0"


def test_tuples_become_lists(tmp_path: Path) -> None:
    write_state(tmp_path, {"pairs": [(1, 2)]})
    assert read_state(tmp_path) == {"pairs": [[1, 2]]}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_without_an_end_are_refused_by_place(tmp_path: Path, value: float) -> None:
    with pytest.raises(SteelyardError, match=rf"state\.tally\.1 is {value}"):
        write_state(tmp_path, {"tally": [0.0, value]})
    assert names(tmp_path) == []


def test_what_json_has_no_word_for_is_a_mistake_in_the_program(tmp_path: Path) -> None:
    for state in ({"a": {1: 2}}, {"a": object()}):
        with pytest.raises(TypeError):
            write_state(tmp_path, state)


def test_a_state_that_is_no_object_is_one_line(tmp_path: Path) -> None:
    for data in (b"[]", b"", b"{", b'{"a": NaN}', b"\xff"):
        (tmp_path / "state.json").write_bytes(data)
        with pytest.raises(SteelyardError, match="is not what a checkpoint holds"):
            read_state(tmp_path)


def test_large_files_are_hashed_in_pieces(tmp_path: Path) -> None:
    import hashlib

    data = os.urandom(3_000_001)
    (tmp_path / "big").write_bytes(data)
    assert checkpoint._hash(tmp_path / "big") == hashlib.blake2b(data, digest_size=32).hexdigest()
