"""Does a run do the same again? An inline run is made anew from its config.json and compared event by event."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from steelyard.core import FaultError, Reward, SteelyardError, decode, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime.inline.driver import Inline
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir.records import ENDS, Records

EventRow = JsonMapping
"""A row of `events.jsonl`."""
_HINT = "give the directory of a run made with --runtime inline"


@dataclass(frozen=True)
class Divergence:
    """The first event that came out otherwise. None stands for a run that ended before it."""

    event: int
    recorded: EventRow | None
    repeated: EventRow | None


@dataclass(frozen=True)
class Repeated:
    """What a repeat came to."""

    events: int
    """Events that were the same, from the first on."""
    divergence: Divergence | None


def repeat(run_dir: Path, reward: Reward | None = None) -> Repeated:
    """Run again what `run_dir` recorded, in a scratch directory, as far as the record goes.

    Args:
        run_dir: the directory of an inline run: finished, stopped, killed or failed.
        reward: the verifier, where the run was given a bare callable.

    Raises:
        SteelyardError: it is not the directory of an inline run, or the callable is missing.
    """
    run, pauses = _read_run(run_dir, reward is not None)
    recorded = _read_events(run_dir)
    seen: list[EventRow] = []

    def watch(file: str, row: EventRow) -> None:
        if file == "events":
            seen.append(row)

    with TemporaryDirectory() as scratch, Records(Path(scratch) / "run", watch) as records:
        inline = Inline(replace(run, output_dir=None), records, reward)
        inline.coordinator.pauses = frozenset(pauses)
        with closing(inline):
            inline.begin()
            return _compare(inline, recorded, seen)


def _compare(inline: Inline, recorded: Sequence[EventRow], seen: list[EventRow]) -> Repeated:
    for number, expected in enumerate(recorded):
        found = _next_row(inline, seen)
        if found != expected:
            return Repeated(number, Divergence(number + 1, expected, found))
    return Repeated(len(recorded), None)


def _next_row(inline: Inline, seen: list[EventRow]) -> EventRow | None:
    """The row of the next event; None where the run ends instead."""
    if not inline.steps_left:
        return None
    try:
        inline.advance()
    except FaultError:
        return None
    return seen.pop()


def _read_run(run_dir: Path, scored: bool) -> tuple[Run, list[int]]:
    """The settings, and the numbers of steps at which the run had ended before it was extended."""
    file = run_dir / "config.json"
    require(file.is_file(), "is missing", where=str(file), hint=_HINT)
    config = _parse(file.read_bytes(), file)
    require(isinstance(config.get("run"), dict), "has no settings of a run", where=str(file), hint=_HINT)
    run = decode(config["run"], Run, where=str(file))
    require(isinstance(run, Run), "is of a job on given data", where=str(file), hint=_HINT)
    require(run.runtime == "inline", f"says --runtime {run.runtime}", where=str(file), hint=_HINT)
    unscored = bool(config.get("callable_reward")) and not scored
    require(
        not unscored, "was scored by a callable", where=str(file), hint="give repeat(run_dir, reward) that callable"
    )
    try:
        return run, msgspec.convert(config.get(ENDS, []), list[int])
    except msgspec.ValidationError as error:
        raise SteelyardError(f"{ENDS} is no list of steps ({error})", where=str(file), hint=_HINT) from error


def _read_events(run_dir: Path) -> list[EventRow]:
    """The rows of events.jsonl, but for a last one that a kill cut short."""
    file = run_dir / "events.jsonl"
    require(file.is_file(), "is missing", where=str(file), hint=_HINT)
    *lines, _ = file.read_bytes().split(b"\n")
    return [_parse(line, file) for line in lines]


def _parse(data: bytes, file: Path) -> JsonObject:
    try:
        return msgspec.json.decode(data, type=JsonObject)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SteelyardError(f"is not what a run writes ({error})", where=str(file), hint=_HINT) from error
