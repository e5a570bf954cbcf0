"""The page of a pipeline: its stages side by side, each with a link to its own page."""

from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from steelyard.report.blocks import Section, Table
from steelyard.report.format import DASH, duration, number
from steelyard.report.measures import headline_of
from steelyard.report.page import Heading, put_page
from steelyard.report.records import Row, RunRecords, read_run
from steelyard.report.template import render
from steelyard.runtime.run_dir.pipeline_file import PipelineState, StageState, read_pipeline_file

_LINK = Markup('<a href="{run}/report.html">{name}</a>')
_MEASURED = "Each stage is measured on held-out rows of its own kind: numbers of different stages do not compare."
_LEFT_OUT = "A row is left out where its prompt is a held-out prompt of any stage, or nearly one."


def write_pipeline_report(directory: Path) -> Path:
    """Write `report.html` into a pipeline's directory and return its path; an older one is replaced.

    Raises:
        SteelyardError: it is no directory of a pipeline, or a file of a stage is not what a run writes.
    """
    state = read_pipeline_file(directory)
    sections = pipeline_sections(directory, state, lambda stage: _linked(directory, stage))
    heading = vars(pipeline_heading(directory, state))
    return put_page(directory / "report.html", render("page.html.jinja", **heading, embedded=None, sections=sections))


def pipeline_heading(directory: Path, state: PipelineState) -> Heading:
    """What sums up a pipeline."""
    return Heading(f"{state.recipe}, seed {state.seed}", None, _facts(state), _notes(directory, state))


def pipeline_sections(directory: Path, state: PipelineState, name: Callable[[StageState], object]) -> list[Section]:
    """What each stage changed, and what it learned from; `name` writes the stage's name."""
    return [_measured(directory, state, name), _learned(state)]


def _linked(directory: Path, stage: StageState) -> object:
    """The stage's name, with a link to its own page if that has been written."""
    paged = (directory / stage.run / "report.html").is_file()
    return _LINK.format(run=stage.run, name=stage.name) if paged else stage.name


def _facts(state: PipelineState) -> list[tuple[str, str]]:
    done = [stage.result or {} for stage in state.stages if stage.state == "done"]
    facts = [
        ("stages done", f"{len(done)} of {len(state.stages)}"),
        ("time", duration(sum(float(result.get("seconds") or 0) for result in done))),
        ("version", state.version),
        ("commit", (state.commit or "")[:12]),
    ]
    return [(name, value) for name, value in facts if value]


def _notes(directory: Path, state: PipelineState) -> list[str]:
    notes = [
        f"Of the rows of {stage.name}: {number(count)} {what}."
        for stage in state.stages
        for what, count in stage.data.notes.items()
    ]
    if any(stage.state != "done" for stage in state.stages):
        on = f"steelyard train --resume {directory} goes on."
        notes.append(f"Not all stages are done: the pipeline was stopped, or is still going. {on}")
    return notes


def _measured(directory: Path, state: PipelineState, name: Callable[[StageState], object]) -> Section:
    """What each stage's held-out rows say before and after it."""
    head = ["stage", "measure", "before", "after", "steps", "time", "state"]
    rows = [[name(stage), *_row(directory / stage.run), stage.state] for stage in state.stages]
    return Section("stages", "What each stage changed", tables=[Table(head, rows, _MEASURED, "words")])


def _row(place: Path) -> list[str]:
    run = read_run(place) if (place / "config.json").is_file() else None
    return [*_change(run), *_made(run)]


def _change(run: RunRecords | None) -> list[str]:
    """The measure that sums the stage up, and its first and last value."""
    found = None if run is None else headline_of(run.evals)
    if found is None:
        return [DASH, DASH, DASH]
    key, name, write, known = found
    return [name, write(known[0][key]), write(known[-1][key]) if len(known) > 1 else DASH]


def _made(run: RunRecords | None) -> list[str]:
    """Steps and time so far."""
    metrics: Row = run.metrics[-1] if run is not None and run.metrics else {}
    timing: Row = run.timing[-1] if run is not None and run.timing else {}
    return [number(metrics.get("step")), duration(timing.get("seconds"))]


def _learned(state: PipelineState) -> Section:
    """The rows of each stage."""
    head = ["stage", "rows taken of each file", "to train on", "held out", "left out"]
    rows = [[stage.name, _files(stage), *_counts(stage)] for stage in state.stages]
    return Section("data", "What each stage learned from", tables=[Table(head, rows, _LEFT_OUT, "words")])


def _files(stage: StageState) -> str:
    return ", ".join(f"{number(count)} of {file}" for file, count in stage.data.files.items())


def _counts(stage: StageState) -> list[str]:
    data = stage.data
    return [number(data.train), number(data.held_out), number(sum(data.notes.values()))]
