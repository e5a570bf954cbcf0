"""Checkpoints: directories that are there whole or not at all.

One is filled under a name that nobody takes for a checkpoint. Sealing it writes a manifest with the size and the hash
of every file, makes all of it durable, and renames it. A kill at any moment leaves the checkpoints that were there
before, and perhaps rests that a later call removes.

    RUN/checkpoint-N        whole; N learner steps made
    RUN/.checkpoint-N.part  being filled
    RUN/.checkpoint-N.old   makes way for a new checkpoint of the same name; counts as one until that is in place
    RUN/.checkpoint-N.gone  being deleted
"""

import hashlib
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from steelyard.core import Replay, SteelyardError, require
from steelyard.core.json import JsonObject
from steelyard.runtime.run_dir.disk import reading, sync, writing

T = TypeVar("T")
MANIFEST = "manifest.json"
STATE = "state.json"
_NAME = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})|\.checkpoint-(0|[1-9][0-9]{0,17})\.(old|part|gone)")
_HINT = "restore the file, or go on from another checkpoint"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int
    blake2b: str


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    files: dict[str, _File]


def begin(run_dir: Path, step: int) -> Path:
    """An empty directory for the checkpoint after `step` learner steps; `seal` makes a checkpoint of it.

    What kills left unfinished is removed first: it may be what filled the disk.

    Raises:
        FaultError: the disk does not let it be made.
    """
    part = _named(run_dir, step, "part")
    with writing(part):
        for rest in _found(run_dir, "part", "gone"):
            _remove(rest)
        part.mkdir()
    return part


def seal(part: Path) -> Path:
    """Make a checkpoint of what `begin` returned and the caller filled; returns RUN/checkpoint-N.

    It replaces a checkpoint of the same name; until it has, the old one counts. Checkpoints of later steps are removed
    once it is in place: a run goes back past a checkpoint only where that one is damaged.

    Raises:
        FaultError: the disk does not let it be written; what was whole is still whole.
    """
    run_dir = part.parent
    step = _step(part)
    target = _named(run_dir, step)
    old = _named(run_dir, step, "old")
    with writing(part):
        _write_manifest(part)
        sync(part)
    with writing(target):
        _make_way(target, old)
        part.replace(target)
        sync(run_dir)
        _remove(old)
        for later in _found(run_dir, "", "old"):
            if _step(later) > step:
                _discard(later)
    return target


def whole(run_dir: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint whose files are all as its manifest says, and one line for each newer one that is damaged.

    Nothing is written. The path may be that of a checkpoint that was making way for another when the run was killed.

    Raises:
        SteelyardError: the run directory cannot be read.
    """
    damaged = []
    with reading(run_dir, "allow this user to read it"):
        candidates = _newest_first(run_dir)
    for candidate in candidates:
        try:
            _verify(candidate)
        except SteelyardError as error:
            damaged.append(str(error))
        else:
            return candidate, damaged
    return None, damaged


def rotate(run_dir: Path, keep: int) -> Path | None:
    """Delete all but the newest `keep` checkpoints; returns the oldest that is kept, None where there are none.

    Raises:
        FaultError: the disk does not let them be deleted.
    """
    with writing(run_dir):
        for old in _found(run_dir, "old"):
            if _named(run_dir, _step(old)).exists():
                _discard(old)
        found = _newest_first(run_dir)
        for surplus in found[keep:]:
            _discard(surplus)
    return found[:keep][-1] if found else None


def conclude(part: Path, keep: int, replay: Replay) -> Path:
    """Seal `part`, delete all but the newest `keep`, and let replay forget what none of those needs.

    Raises:
        FaultError: as for `seal` and `rotate`.
    """
    made = seal(part)
    oldest = rotate(part.parent, keep)
    if oldest is not None:
        replay.forget(read_state(oldest)["replay"])
    return made


def write_state(part: Path, state: Mapping[str, object]) -> None:
    """Write `state` to state.json. What `read_state` returns is equal to it, floats to the last bit.

    Tuples come back as lists.

    Raises:
        SteelyardError: it holds a number that is not finite, which JSON cannot say.
        TypeError: it holds something that JSON has no word for, or a key that is not a text.
        FaultError: the disk does not let it be written.
    """
    _check_json(state)
    path = part / STATE
    with writing(path):
        path.write_bytes(_json(state))


def read_state(checkpoint: Path) -> JsonObject:
    """What `write_state` wrote.

    Raises:
        SteelyardError: there is no such file, or it is not a JSON object.
    """
    return _read(checkpoint / STATE, msgspec.json.Decoder(JsonObject))


def _named(run_dir: Path, step: int, kind: str = "") -> Path:
    return run_dir / (f".checkpoint-{step}.{kind}" if kind else f"checkpoint-{step}")


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    assert match, f"{path} is not the name of a checkpoint"
    return int(match[1] or match[2])


def _found(run_dir: Path, *kinds: str) -> list[Path]:
    """The entries of `run_dir` of these kinds; "" is a checkpoint."""
    entries = sorted(run_dir.iterdir()) if run_dir.is_dir() else []
    return [path for path in entries if (match := _NAME.fullmatch(path.name)) and (match[3] or "") in kinds]


def _newest_first(run_dir: Path) -> list[Path]:
    """Checkpoints, and those that make way for another; of the same step the checkpoint first."""
    return sorted(_found(run_dir, "", "old"), key=lambda path: (-_step(path), path.name.startswith(".")))


def _make_way(target: Path, old: Path) -> None:
    """Move `target` aside. Where a kill left both, the one that is not whole goes, so that one always counts."""
    if target.exists() and old.exists():
        _discard(old if _is_whole(target) else target)
    if target.exists():
        target.replace(old)


def _write_manifest(part: Path) -> None:
    files = {}
    for path in sorted(part.iterdir()):
        assert path.is_file() and not path.is_symlink(), f"{path} is not a plain file"
        sync(path)
        files[path.name] = _File(path.stat().st_size, _hash(path))
    manifest = part / MANIFEST
    manifest.write_bytes(_json(_Manifest(files)))
    sync(manifest)


def _is_whole(checkpoint: Path) -> bool:
    try:
        _verify(checkpoint)
    except SteelyardError:
        return False
    return True


def _verify(checkpoint: Path) -> None:
    """Read every file of a checkpoint and compare it with the manifest.

    Raises:
        SteelyardError: one differs.
    """
    _refuse_link(checkpoint)
    manifest = _read(checkpoint / MANIFEST, msgspec.json.Decoder(_Manifest))
    require(bool(manifest.files), "lists no files", where=str(checkpoint / MANIFEST), hint=_HINT)
    for name, said in manifest.files.items():
        inside = name == Path(name).name and name not in ("", "..") and "\0" not in name
        require(inside, f"names {name!r}, which is no file of its own", where=str(checkpoint / MANIFEST), hint=_HINT)
        _verify_file(checkpoint / name, said)


def _verify_file(path: Path, said: _File) -> None:
    _refuse_link(path)
    with reading(path, _HINT):
        size = path.stat().st_size
        require(size == said.bytes, f"has {size} bytes of {said.bytes}", where=str(path), hint=_HINT)
        require(_hash(path) == said.blake2b, "is not what was written", where=str(path), hint=_HINT)


def _refuse_link(path: Path) -> None:
    """A checkpoint is read from the run directory and from nowhere else."""
    require(not path.is_symlink(), "is a symbolic link", where=str(path), hint=_HINT)


def _hash(path: Path) -> str:
    """32 bytes of blake2b, read in pieces: files may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def _read(path: Path, decoder: msgspec.json.Decoder[T]) -> T:
    _refuse_link(path)
    try:
        with reading(path, _HINT):
            return decoder.decode(path.read_bytes())
    except (msgspec.DecodeError, RecursionError) as error:
        raise SteelyardError(f"is not what a checkpoint holds ({error})", where=str(path), hint=_HINT) from error


def _json(data: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


def _check_json(state: Mapping[str, object]) -> None:
    """Refuse what the encoder would write as something else: endless numbers as null, other keys as texts."""
    for place, value in _walk(state, "state"):
        if isinstance(value, float) and not math.isfinite(value):
            hint = "look for it in the run's rewards and settings"
            raise SteelyardError(f"{place} is {value}", where=STATE, hint=hint)
        if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
            raise TypeError(f"{place} has keys that are not texts")


def _walk(data: object, place: str) -> Iterator[tuple[str, object]]:
    """Every value in `data` with its place."""
    yield place, data
    inner = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in inner:
        yield from _walk(value, f"{place}.{key}")


def _discard(path: Path) -> None:
    """Delete a checkpoint so that a kill on the way leaves no half of it under a name that counts."""
    gone = _named(path.parent, _step(path), "gone")
    _remove(gone)
    path.replace(gone)
    _remove(gone)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
