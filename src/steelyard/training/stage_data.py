"""What the stages of a pipeline learn from: files mixed by shares, some rows held out, and what overlaps with them left
out of every stage.

    FILE         all rows of a file
    FILE=SHARE   so many of its rows, drawn by the seed, in the file's order

Rows are held out as each stage's settings say: those of its `held_out`, or else a share of its prompts, by hash. Then a
row of any stage is left out where its prompt overlaps with a held-out prompt of any stage (`task/decontamination.py`):
what a later stage is measured by was learned by no earlier one. That holds for records that a stage makes, too: they
join the rows of a later stage when that begins.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

from steelyard.core import require, rng
from steelyard.core.foreign_rows import with_pair
from steelyard.core.json import JsonMapping, JsonObject, check_json
from steelyard.runtime.run_dir.disk import sync, writing
from steelyard.task.base import Text, key_of, split_keys
from steelyard.task.columns import column_of, prompt_names
from steelyard.task.decontamination import HeldOutIndex
from steelyard.task.files import read_rows
from steelyard.task.rows import prompt_of
from steelyard.training.pipeline import PipelineSettings, Stage

HELD_OUT = "-held-out.jsonl"
GATHERED = "-gathered.jsonl"
LEFT_OUT: Mapping[str, str] = {
    "equal": "rows left out because their prompt is held out",
    "near": "rows left out because their prompt is nearly one that is held out",
}
"""How a prompt overlaps -> what is said of its row."""


@dataclass(frozen=True)
class GivenRow:
    """A row of a user's file."""

    place: str
    """The file and where it stands there, for errors."""
    row: JsonMapping
    asked: Text
    """Its prompt, without what the stage's settings put around it."""


@dataclass(frozen=True)
class StageData:
    """The rows of a stage."""

    train: Sequence[GivenRow]
    held_out: Sequence[GivenRow]
    files: Mapping[str, int]
    """File -> rows of it that were taken."""
    notes: Mapping[str, int]
    """How many rows were left out, by why."""

    def facts(self) -> JsonObject:
        """The rows in numbers."""
        counts = {"train": len(self.train), "held_out": len(self.held_out)}
        return {**counts, "files": dict(self.files), "notes": dict(self.notes)}


def prepare(stages: Sequence[Stage], given: PipelineSettings) -> dict[str, StageData]:
    """The rows of every stage, by its name.

    Raises:
        SteelyardError: a file is missing or malformed, a share is none, or nothing is left to train on.
    """
    mixed = {stage.name: _mixed(stage, given.seed) for stage in stages}
    split: dict[str, tuple[list[GivenRow], list[GivenRow]]] = {}
    for stage in stages:
        held = split[stage.held_out_of][1] if stage.held_out_of else None
        split[stage.name] = _split(mixed[stage.name][0], stage, held)
    asked = [row.asked for _, held in split.values() for row in held]
    index = HeldOutIndex(asked, given.overlap_words, given.max_overlap)
    found: dict[str, StageData] = {}
    for stage in stages:
        train, held = split[stage.name]
        kept, notes = _without_overlap(train, index)
        hint = "raise --max-overlap, or hold out other rows"
        require(bool(kept) or not train, "every row overlaps with what is held out", where=stage.flag, hint=hint)
        found[stage.name] = StageData(kept, held, mixed[stage.name][1], notes)
    return found


def names_of(number: int, stage: Stage) -> tuple[str, str]:
    """The names of the files that a stage learns from, and is measured by."""
    return f"{number}-{stage.name}.jsonl", f"{number}-{stage.name}{HELD_OUT}"


def write(stages: Sequence[Stage], data: Mapping[str, StageData], directory: Path) -> dict[str, Sequence[str]]:
    """Write every stage's two files into `directory`; returns, by path, the place where each of its lines came from.

    Raises:
        FaultError: the disk does not take them.
    """
    places: dict[str, Sequence[str]] = {}
    for number, stage in enumerate(stages, start=1):
        one = data[stage.name]
        for name, rows in zip(names_of(number, stage), (one.train, one.held_out), strict=True):
            if rows:
                path = directory / name
                with writing(path):
                    path.write_text("".join(_line(row.row) for row in rows), encoding="utf-8")
                places[str(path)] = [row.place for row in rows]
    return places


def gathered(
    stages: Sequence[Stage], number: int, records: Mapping[str, Path], directory: Path, given: PipelineSettings
) -> StageData:
    """The rows of a stage that learns from records: those of its files, as they were written, then the records.

    Args:
        stages: of the pipeline.
        number: the stage's, from 1.
        records: stage that made some -> the file of its records.
        directory: where `write` wrote.
        given: says how much prompts may overlap.

    Raises:
        SteelyardError: nothing is left to learn from.
    """
    stage = stages[number - 1]
    held = {one.name: _written(directory / names_of(n, one)[1], one) for n, one in enumerate(stages, start=1)}
    asked = [row.asked for rows in held.values() for row in rows]
    index = HeldOutIndex(asked, given.overlap_words, given.max_overlap)
    made = {name: [_renamed(row, stage) for row in _written(records[name], None)] for name in stage.records}
    kept, notes = _without_overlap([row for rows in made.values() for row in rows], index)
    train = [*_written(directory / names_of(number, stage)[0], stage), *kept]
    hint = "look into the records of the stages before it"
    require(bool(train), f"{', '.join(stage.records)} made nothing to learn from", where=stage.name, hint=hint)
    files = {f"records of {name}": len(rows) for name, rows in made.items()}
    told = {what.replace("rows", "records", 1): count for what, count in notes.items()}
    return StageData(train, held[stage.name], files, told)


def write_gathered(stage: Stage, number: int, data: StageData, directory: Path) -> None:
    """Write what `gathered` returned, whole or not at all.

    Raises:
        FaultError: the disk does not take it.
    """
    path = directory / gathered_name(number, stage)
    part = path.with_suffix(".part")
    with writing(path):
        part.write_text("".join(_line(row.row) for row in data.train), encoding="utf-8")
        sync(part)
        part.replace(path)


def gathered_name(number: int, stage: Stage) -> str:
    """The name of the file of a stage's rows with the records that joined them."""
    return f"{number}-{stage.name}{GATHERED}"


def _line(row: JsonMapping) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _written(path: Path, stage: Stage | None) -> list[GivenRow]:
    """The rows of a file that a pipeline wrote; none where there is none, for an empty one is not written."""
    empty = not path.is_file() or not path.stat().st_size
    return [] if empty else _read(str(path), stage.prompt_column if stage else "")


def _renamed(row: GivenRow, stage: Stage) -> GivenRow:
    """A record whose columns are called as the stage reads them."""
    columns = stage.columns
    names = {f.name: getattr(columns, f.name) for f in fields(columns)} if is_dataclass(columns) else {}
    other = {names[name]: value for name, value in row.row.items() if names.get(name)}
    return replace(row, row={**row.row, **other})


def _sources(stage: Stage) -> list[tuple[str, float]]:
    """Each file with the share of its rows that is taken.

    Raises:
        SteelyardError: none is named, one is named twice, or a share is none.
    """
    hint = "name a .jsonl or .parquet file, or FILE=SHARE for a share of its rows"
    require(bool(stage.files), "is missing", where=stage.flag, hint=hint)
    found = [_source(file, stage.flag) for file in stage.files]
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, f"names {twice} twice", where=stage.flag, hint="name it once, with the share of both")
    return found


def _source(file: str, flag: str) -> tuple[str, float]:
    path, equals, share = file.rpartition("=")
    if not equals:
        return file, 1.0
    try:
        number = float(share)
    except ValueError:
        return file, 1.0  # a name in which "=" stands
    inside = 0 < number <= 1
    require(inside, f"the share of {path} is {share}", where=flag, hint="use more than 0, and at most 1")
    return path, number


def _mixed(stage: Stage, seed: int) -> tuple[list[GivenRow], dict[str, int]]:
    """The rows of all files of a stage, file after file, and how many of each were taken."""
    rows: list[GivenRow] = []
    taken: dict[str, int] = {}
    if not stage.path_setting or (stage.held_out_of and stage.records and not stage.files):
        return rows, taken
    for path, share in _sources(stage):
        every = _read(path, stage.prompt_column)
        number = max(1, round(share * len(every)))
        draws = rng(seed, "mixture", stage.name, Path(path).name)
        rows += [every[i] for i in sorted(draws.permutation(len(every))[:number].tolist())]
        taken[path] = number
    return rows, taken


def _read(path: str, prompt_column: str) -> list[GivenRow]:
    """The rows of a file, each with its prompt."""
    found: list[GivenRow] = []
    names = prompt_names(prompt_column)
    for place, given in read_rows(path):
        where = f"{path}, {place}"
        check_json(given, where)
        row = with_pair(given, where, names)
        column = column_of(row, names, "prompt", where)
        found.append(GivenRow(where, given, prompt_of(row[column], column, where)))
    return found


def _split(
    rows: Sequence[GivenRow], stage: Stage, held: list[GivenRow] | None
) -> tuple[list[GivenRow], list[GivenRow]]:
    """Rows to train on, and held-out ones; `held` are those of an earlier stage, where they measure this one."""
    if not rows or not stage.holds_out:
        return [*rows], held or []
    if stage.rows.held_out:
        train, own = [*rows], _read(stage.rows.held_out, stage.prompt_column)
    else:
        train, own = split_keys(rows, lambda row: key_of(row.asked), stage.rows.held_out_share, where=stage.flag)
    part = stage.part
    if part is not None:
        train = [row for i, row in enumerate(train) if part.first <= i % part.of < part.end]
        what = f"no row is left for part {part.end} of {part.of}"
        require(bool(train), what, where=stage.flag, hint="give more rows, or fewer rounds")
    return train, own if held is None else held


def _without_overlap(rows: Sequence[GivenRow], index: HeldOutIndex) -> tuple[list[GivenRow], dict[str, int]]:
    """The rows that overlap with nothing held out, and how many do, by how."""
    found = [index.overlap(row.asked) for row in rows]
    counts = Counter(how for how in found if how is not None)
    return [row for row, how in zip(rows, found, strict=True) if how is None], {
        LEFT_OUT[how]: number for how, number in counts.items()
    }
