"""What a part found, as it is kept: every single figure, with the settings, the machine and the day."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType

import msgspec

from steelyard.core import Dataclass, SteelyardError, encode, require
from steelyard.core.json import JsonObject
from steelyard.experiments.harness.processes import kept, measured_once
from steelyard.runtime import to_json
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.machine import machine

Row = JsonObject
"""One line of a part's measurements, as JSON has it: each part chooses its keys."""


@dataclass(frozen=True)
class BenchRecord:
    """One part, measured."""

    part: str
    command: str
    """What measures it again."""
    settings: dict[str, object]
    date: str
    """The day, UTC."""
    machine: str
    seconds: float
    """What the measuring took."""
    rows: list[Row]
    """Every single run's figures."""


def name_of(module: ModuleType) -> str:
    """The part's name."""
    return module.__name__.rpartition(".")[2]


def command_of(module: ModuleType, settings: Dataclass) -> str:
    """The command line that measures with these settings."""
    words = ["steelyard", "bench", name_of(module)]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != field.default and value is not None:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, several)]
    return " ".join(words)


def carry_out(module: ModuleType, settings: Dataclass, directory: Path, say: Callable[[str], None]) -> BenchRecord:
    """Measure a part and keep its record in `directory`; one that is there with the same settings is taken as it is.

    Raises:
        SteelyardError: a record is damaged or has other settings, or the part cannot be measured.
    """

    def fits(found: BenchRecord) -> bool:
        same = found.settings == msgspec.json.decode(to_json(encode(settings)))
        require(same, "was measured with other settings", where=str(file), hint="choose another --output-dir")
        say(f"measured before: {file}")
        return True

    file = directory / f"{name_of(module)}.json"
    return measured_once(file, BenchRecord, lambda: _measured(module, settings, directory, say), fits=fits)


def _measured(module: ModuleType, settings: Dataclass, directory: Path, say: Callable[[str], None]) -> BenchRecord:
    with writing(directory, SteelyardError):
        directory.mkdir(parents=True, exist_ok=True)
        workdir = Path(tempfile.mkdtemp(prefix=f"{name_of(module)}-", dir=directory))  # one cut short left its own
    began = time.monotonic()
    rows = module.measure(settings, workdir, say)
    return BenchRecord(
        part=name_of(module),
        command=command_of(module, settings),
        settings=encode(settings),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=machine(),
        seconds=time.monotonic() - began,
        rows=rows,
    )


def read(file: Path) -> BenchRecord:
    """The record that `carry_out` kept.

    Raises:
        SteelyardError: it is damaged.
    """
    return kept(file, BenchRecord, "take it away, to measure the part again")
