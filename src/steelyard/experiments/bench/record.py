"""What a part found, as it is kept: every single figure, with the settings, the machine and the day."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from steelyard.core import SteelyardError, encode, require
from steelyard.runtime import to_json
from steelyard.runtime.run_dir.disk import put, writing
from steelyard.runtime.run_dir.machine import machine


@dataclass(frozen=True)
class Record:
    """One part, measured."""

    part: str
    command: str
    """What measures it again."""
    settings: dict[str, Any]
    date: str
    """The day, UTC."""
    machine: str
    seconds: float
    """What the measuring took."""
    rows: list[dict[str, Any]]
    """Every single run's figures."""


def name_of(module: ModuleType) -> str:
    """The part's name."""
    return module.__name__.rpartition(".")[2]


def command_of(module: ModuleType, settings: Any) -> str:
    """The command line that measures with these settings."""
    words = ["steelyard", "bench", name_of(module)]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != field.default and value is not None:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, several)]
    return " ".join(words)


def carry_out(module: ModuleType, settings: Any, directory: Path, say: Callable[[str], None]) -> Record:
    """Measure a part and keep its record in `directory`; one that is there with the same settings is taken as it is.

    Raises:
        SteelyardError: a record is damaged or has other settings, or the part cannot be measured.
    """
    file = directory / f"{name_of(module)}.json"
    asked = encode(settings)
    if file.exists():
        kept = read(file)
        same = kept.settings == msgspec.json.decode(to_json(asked))
        require(same, "was measured with other settings", where=str(file), hint="choose another --output-dir")
        say(f"measured before: {file}")
        return kept
    with writing(directory, SteelyardError):
        directory.mkdir(parents=True, exist_ok=True)
        workdir = Path(tempfile.mkdtemp(prefix=f"{name_of(module)}-", dir=directory))  # one cut short left its own
    began = time.monotonic()
    rows = module.measure(settings, workdir, say)
    record = Record(
        part=name_of(module),
        command=command_of(module, settings),
        settings=asked,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=machine(),
        seconds=time.monotonic() - began,
        rows=rows,
    )
    with writing(file, SteelyardError):
        put(file, to_json(encode(record), indent=1).encode() + b"\n")
    return record


def read(file: Path) -> Record:
    """The record that `carry_out` kept.

    Raises:
        SteelyardError: it is damaged.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="take it away, to measure the part again") from error
