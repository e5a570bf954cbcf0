"""`steelyard worlds [NAME]`: the shelf of worlds, with what was measured of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from steelyard.cli.flags import parse
from steelyard.core import checked, require
from steelyard.experiments.harness import world_record, worlds_page
from steelyard.experiments.harness.processes import Jobs
from steelyard.experiments.harness.world_record import Measured, shipped
from steelyard.report.folding import say, say_out
from steelyard.worlds import shelf


@checked()
@dataclass(frozen=True)
class Worlds:
    """List the worlds that a proof can choose from, with what was measured of each; or show one's data sheet."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """The world to show, or to measure."""
    measure: bool = False
    """Measure it again, on three seeds: minutes. In a source tree its record, the package's table and docs/worlds.md
    are renewed."""
    all: bool = False
    """With --measure: every world."""
    output_dir: str = "runs/worlds"
    """Where results go; seeds that are there are not repeated, unless their code has changed."""
    jobs: Jobs = 0
    """Seeds at a time; 0 for one per core."""
    page: str | None = None
    """Write the shelf as a page of Markdown to this file, in place of what is there: docs/worlds.md is one."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print the tables or a data sheet, measure, or write the page."""
    asked = parse(Worlds, words, command="worlds")
    if asked.name is not None:
        shelf.load(asked.name)
    if asked.page is not None:
        only = asked.name is None and not asked.measure and not asked.all
        require(only, "is of all worlds", where="--page", hint="give no other word")
        return {"page": _write(Path(asked.page))}
    if asked.measure:
        return _measure(asked)
    require(not asked.all, "goes with --measure", where="--all", hint="leave it out: the list is of all worlds")
    return _list() if asked.name is None else _show(asked.name)


def _list() -> Mapping[str, object]:
    names = shelf.names()
    for kind in worlds_page.KINDS:
        held = [name for name in names if shelf.load(name).kind == kind]
        head, rows = worlds_page.table(held)
        print(f"--- {kind} ---\n")
        for name, *cells, matters, _ in rows:
            say_out(f"{name}\n    {shelf.summary(name)}")
            measured = ", ".join(f"{column} {cell}" for column, cell in zip(head[1:], cells, strict=False))
            say_out(f"    {measured}")
            say_out(f"    matters: {matters or '-'}\n")
    print("--- where what matters ---\n")
    for property, held in worlds_page.by_property():
        say_out(f"{property}: {held.replace('`', '')}")
    print("\nsteelyard worlds NAME shows a data sheet, and what each number compares")
    return {"worlds": {name: {"summary": shelf.summary(name), **_data(shipped().get(name))} for name in names}}


def _show(name: str) -> Mapping[str, object]:
    say_out(shelf.sheet(name))
    measured = shipped().get(name)
    print()
    if measured is None:
        print(f"not measured yet: steelyard worlds {name} --measure")
    else:
        _tell(name, measured)
    return {"world": name, "sheet": shelf.sheet(name), **_data(measured)}


def _tell(name: str, measured: Measured) -> None:
    """Print the properties, one in a line, with what was compared below."""
    print(f"{name}: seeds {', '.join(map(str, measured.seeds))}, {measured.core_minutes:.1f} core minutes")
    for found in measured.properties:
        title, value, said, why = worlds_page.row(found)
        say_out(f"  {title:<28} {value}{f'; matters: {said}' if said else ''}\n      {why}")


def _data(measured: Measured | None) -> dict[str, object]:
    return {} if measured is None else dict(msgspec.to_builtins(measured))


def _measure(asked: Worlds) -> Mapping[str, object]:
    hint = "name one world, or give --all: steelyard worlds --measure --all"
    require((asked.name is None) == asked.all, "takes a world's name, or --all", where="--measure", hint=hint)
    names = shelf.names() if asked.name is None else [asked.name]
    directory = Path(asked.output_dir)
    records = world_record.measure(names, directory, asked.jobs, lambda line: say(f"  {line}"))
    for name, record in records.items():
        _tell(name, record)
    if world_record.is_source_tree():
        world_record.publish(records)
        worlds_page.write(world_record.ROOT / "docs" / "worlds.md")
    print(f"records: {directory}")
    return {"output_dir": str(directory), "worlds": {name: msgspec.to_builtins(r) for name, r in records.items()}}


def _write(page: Path) -> str:
    hint = "name a file in a directory that is there, such as docs/worlds.md"
    require(page.parent.is_dir() and not page.is_dir(), f"{page} cannot be written", where="--page", hint=hint)
    worlds_page.write(page)
    print(f"written: {page}")
    return str(page)
