"""Reads back what a run wrote: the one reader of run directories."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.core.json import JsonMapping
from steelyard.core.moved import current_metrics

Row = JsonMapping
KINDS = ("metrics", "timing", "eval", "samples", "faults", "quarantine")
"""The files of rows, in the order of `RunRecords`."""


@dataclass(frozen=True)
class RunRecords:
    """Everything in a run directory that the report reads; kinds of rows that the run did not write are empty."""

    directory: Path
    config: Row
    metrics: Sequence[Row]
    timing: Sequence[Row]
    evals: Sequence[Row]
    samples: Sequence[Row]
    faults: Sequence[Row]
    """Children that died or hung, and what a resume found damaged."""
    quarantine: Sequence[Row]
    """Completions that the verifier failed on; they have no reward."""
    result: Row | None
    """The summary that a finished run ends with; None where it was stopped or is still going."""
    data: Row | None
    """The prompts in numbers, and what of the data was merged or left out; runs of earlier versions have none."""
    torn: Sequence[str]
    """Names of the files whose last line was cut short."""


def read_config(run_dir: Path) -> Row:
    """The settings of a run: its config.json.

    Raises:
        SteelyardError: `run_dir` is not a run directory, or the file is not what a run writes.
    """
    hint = "give the directory of a run: the one that holds its config.json"
    if not run_dir.is_dir():
        raise SteelyardError("is not a directory", where=str(run_dir), hint=hint)
    config = read_object(run_dir / "config.json")
    if config is None or "recipe" not in config:
        raise SteelyardError("is not a run directory", where=str(run_dir), hint=hint)
    return config


def read_run(run_dir: Path) -> RunRecords:
    """The records of a run.

    Raises:
        SteelyardError: `run_dir` is not a run directory, or one of its files is not what a run writes.
    """
    config = read_config(run_dir)
    kinds = {kind: read_rows(run_dir / f"{kind}.jsonl") for kind in KINDS}
    metrics, timing, evals, samples, faults, quarantine = (rows for rows, _ in kinds.values())
    metrics = [current_metrics(row) for row in metrics]
    torn = [f"{kind}.jsonl" for kind, (_, cut) in kinds.items() if cut]
    result = read_object(run_dir / "result.json")
    data = read_object(run_dir / "data.json")
    return RunRecords(run_dir, config, metrics, timing, evals, samples, faults, quarantine, result, data, torn)


def read_rows(path: Path) -> tuple[list[Row], bool]:
    """The rows of a .jsonl file, and whether its last line was cut short (a killed run) and left out.

    A file that does not exist has no rows.

    Raises:
        SteelyardError: a line other than the last is not a JSON object.
    """
    if not path.exists():
        return [], False
    lines = path.read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    rows = [parse_row(line) for line in lines]
    torn = bool(rows) and rows[-1] is None
    kept = rows[:-1] if torn else rows
    good = [row for row in kept if row is not None]
    if len(good) < len(kept):
        raise SteelyardError(
            f"line {kept.index(None) + 1} is not a JSON object",
            where=str(path),
            hint="remove the line, or restore the file",
        )
    return good, torn


def parse_row(line: bytes) -> Row | None:
    """The JSON object on a line, or None where there is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # torn JSON, a character cut in two, or nested without end
        return None
    return row if isinstance(row, dict) else None


def read_object(path: Path) -> Row | None:
    """The JSON object in a file, or None where there is no file."""
    if not path.exists():
        return None
    row = parse_row(path.read_bytes())
    if row is None:
        raise SteelyardError("is not a JSON object", where=str(path), hint="restore the file that the run wrote")
    return row
