"""`steelyard bench PART`: what is fast and what is not, side by side with what people run today."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import tyro

from steelyard.cli.flags import choose, parse
from steelyard.core import PositiveInt, SteelyardError, checked
from steelyard.core.json import JsonMapping
from steelyard.experiments.bench import PARTS, part, settings_of, summaries
from steelyard.experiments.bench.page import check_page, write_block
from steelyard.experiments.bench.record import BenchRecord, carry_out, command_of, name_of
from steelyard.experiments.harness.table import show
from steelyard.runtime.run_dir.disk import writing

PURPOSE = "Measure speed side by side with what people run today: every run's figure is kept, medians are shown."


@dataclass(frozen=True)
class One:
    """One part."""

    settings: Annotated[Any, tyro.conf.OmitArgPrefixes]
    """What is measured."""
    output_dir: str | None = None
    """Where the record goes, by default runs/bench-TIME; one that is there with the same settings is not repeated."""
    page: str | None = None
    """A Markdown page in which the part's block is written anew, such as docs/performance.md."""


@checked()
@dataclass(frozen=True)
class All:
    """Every part, one after another, each alone on the machine: about an hour."""

    output_dir: str | None = None
    """Where the records go, by default runs/bench-TIME; those that are there are not repeated."""
    page: str | None = None
    """A Markdown page in which the parts' blocks are written anew, such as docs/performance.md."""
    parts: tuple[str, ...] = field(default=PARTS)
    """Which parts, and in which order."""
    runs: PositiveInt | None = None
    """Runs of each measurement; by default as many as each part has of itself."""
    vllm_python: str | None = None
    """An interpreter that has vLLM's CPU build; without one its figures are left out."""

    def __post_init__(self) -> None:
        for name in self.parts:
            part(name)


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Measure one part or all; print the tables."""
    if not words:
        words = ["--help"]
    known = {**summaries(), "all": "every part, one after another"}
    name = choose(words, known, command="bench", what="PART", purpose=PURPOSE)
    if name == "all":
        asked = parse(All, words[1:], command="bench all")
        given = {"runs": asked.runs, "vllm_python": asked.vllm_python}
        chosen = {part(name): _changed(settings_of(part(name))(), given) for name in asked.parts}
        return _measure(chosen, asked.output_dir, asked.page)
    module = part(name)
    default = One(settings_of(module)())
    one = parse(One, words[1:], command=f"bench {name}", default=default, description=module.__doc__)
    return _measure({module: one.settings}, one.output_dir, one.page)


def _changed(settings: Any, given: JsonMapping) -> Any:
    """The settings with what was given of what they have."""
    have = {f.name for f in fields(settings)}
    return replace(settings, **{name: value for name, value in given.items() if name in have and value is not None})


def _measure(chosen: Mapping[ModuleType, Any], output_dir: str | None, page: str | None) -> Mapping[str, object]:
    directory = Path(output_dir or f"runs/bench-{time.strftime('%Y%m%d-%H%M%S')}")
    if page is not None:
        check_page(Path(page), [*map(name_of, chosen)])
    found = {}
    for module, settings in chosen.items():
        print(command_of(module, settings), file=sys.stderr)
        record = carry_out(module, settings, directory, _say)
        columns, lines = module.table(record.rows)
        show(module.TITLE, columns, lines)
        _draw(module, record, directory / f"{record.part}.png")
        if page is not None:
            write_block(Path(page), record, (columns, lines))
            _draw(module, record, Path(page).parent / "results" / f"{record.part}.png")
        found[record.part] = {"command": record.command, "seconds": record.seconds, "rows": record.rows}
    print(f"records: {directory}")
    return {"output_dir": str(directory), "parts": found}


def _draw(module: ModuleType, record: BenchRecord, path: Path) -> None:
    if hasattr(module, "draw"):
        with writing(path, SteelyardError):
            path.parent.mkdir(parents=True, exist_ok=True)
            module.draw(record.rows, path)


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
