"""The report: one HTML page made from a run's records alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.report.blocks import Section
from steelyard.report.format import duration, number, percent
from steelyard.report.gauges import warnings
from steelyard.report.measures import change, headline_of
from steelyard.report.overlay import overlay, short_names
from steelyard.report.records import Row, RunRecords, read_run
from steelyard.report.sections import CHARTS
from steelyard.report.tables import WORDS
from steelyard.report.template import render


@dataclass(frozen=True)
class Heading:
    """What stands at the top of a page."""

    title: str
    change: dict[str, str] | None
    """First and last value of the measure that sums a run up, and what it is; None where nothing was measured."""
    facts: Sequence[tuple[str, str]]
    """Name and value of what sums the page up."""
    notes: Sequence[str]


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory and return its path; an older one is replaced.

    The page needs no network, and one script, its own, where it holds trajectories of the run's buffer. What the run
    did not record is left out.

    Raises:
        SteelyardError: `run_dir` is not a run directory, or one of its files is not what a run writes.
    """
    return put_page(run_dir / "report.html", page_of([run_dir.name], [read_run(run_dir)]))


def write_comparison(run_dirs: Sequence[Path], page: Path) -> Path:
    """Write one page of several runs, their curves overlaid, and return its path; an older one is replaced.

    Raises:
        SteelyardError: as `write_report`, for any of the runs.
    """
    return put_page(page, page_of(short_names(run_dirs), [read_run(run_dir) for run_dir in run_dirs]))


def page_of(names: Sequence[str], runs: Sequence[RunRecords]) -> str:
    """The page of one run, or of several with these names, as HTML."""
    from steelyard.report.watch.embed import embedded  # loads tokenizers: only who writes a page waits for that

    found = embedded(names, runs)
    buffers = [None] * len(runs) if found is None else found.buffers
    whole = [[*sections_of(run), *filter(None, [buffer])] for run, buffer in zip(runs, buffers, strict=True)]
    parts = {"sections": overlay(list(zip(names, whole, strict=True))), "embedded": found}
    return render("page.html.jinja", **vars(heading_of(names, runs)), **parts)


def sections_of(run: RunRecords) -> list[Section]:
    """The sections of a run's page: charts, then tables and words."""
    return [made for make in (*CHARTS, *WORDS) if (made := make(run)) is not None]


def heading_of(names: Sequence[str], runs: Sequence[RunRecords]) -> Heading:
    """What sums up one run, or several with these names."""
    if len(runs) == 1:
        return Heading(_title(runs[0]), _change(runs[0].evals), _facts(runs[0]), _notes(runs[0]))
    together = list(zip(names, runs, strict=True))
    facts = [(name, change(run.evals) or _title(run)) for name, run in together]
    notes = [f"{name}: {note}" for name, run in together for note in _notes(run)]
    return Heading(f"{len(runs)} runs", None, facts, notes)


def _title(run: RunRecords) -> str:
    return f"{run.config['recipe']}, seed {run.config.get('seed', '?')}"


def put_page(page: Path, text: str) -> Path:
    """Write a page, whole or not at all, and return its path.

    Raises:
        SteelyardError: the disk does not take it.
    """
    partial = page.with_name(f"{page.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # it might be a link that leads elsewhere
        partial.write_text(text, encoding="utf-8")
        partial.replace(page)  # a reader never sees half a page
    except OSError as error:
        if partial.exists():
            partial.unlink()
        hint = "make room on the disk, or copy the run to one that can be written"
        raise SteelyardError(f"cannot be written ({error.strerror})", where=str(page), hint=hint) from error
    return page


def _notes(run: RunRecords) -> list[str]:
    """What a reader must know: of records that are not whole, and of gauges that are beyond their bounds."""
    data: Row = run.data or {}
    notes = [f"The last line of {name} was cut short and is left out." for name in run.torn]
    notes += [f"Of the data: {number(count)} {what}." for what, count in (data.get("notes") or {}).items()]
    if rule := _method(run.config, "decode"):
        text = "Searchers chose among continuations by {}: engine and learner are not compared on such samples."
        notes.append(text.format(rule))
    notes += [f"{text[0].upper()}{text[1:]}" for text in map(str, warnings(run.metrics))]
    if run.result is None:
        notes.append("There is no result.json: the run was stopped, or is still going.")
    return notes


def _change(evals: Sequence[Row]) -> dict[str, str] | None:
    """First and last value of the measure that sums the evaluations up."""
    found = headline_of(evals)
    if found is None:
        return None
    key, name, write, known = found
    first = known[0]
    last = known[-1]
    moved = len(known) > 1
    where = f"from step {first['step']} to step" if moved else "at step"
    return {
        "before": write(first[key]) if moved else "",
        "after": write(last[key]),
        "meaning": f"{name}, {where} {last['step']}{_interval(last, key)}",
    }


def _interval(row: Row, key: str) -> str:
    if f"{key}_low" not in row:
        return ""
    ends = f"{percent(row[f'{key}_low'])} to {percent(row[f'{key}_high'])}"
    return f"; 95% interval {ends} on {number(row.get('eval/prompts'))} prompts"


_NAMED = ("train", "held_out", "notes", "domains")
"""Numbers of data.json that have a name of their own on the page, or none."""


def _method(config: Row, part: str, usual: str = "") -> str:
    """The id of a part that a run chose; empty where it is the usual one."""
    settings = config.get("run")
    chosen = settings.get(part) if isinstance(settings, dict) else None
    id = str(chosen.get("method", "one's own")) if isinstance(chosen, dict) else ""
    return "" if id == usual else id


def _value(value: object) -> str:
    return value if isinstance(value, str) else number(value)


def _facts(run: RunRecords) -> list[tuple[str, str]]:
    """Name and value of what sums up the run, as far as it is known."""
    timing: Row = run.timing[-1] if run.timing else {}
    metrics: Row = run.metrics[-1] if run.metrics else {}
    known: dict[str, object] = {"steps": metrics.get("step"), **timing, **(run.result or {})}
    commit = run.config.get("commit")
    data: Row = run.data or {}
    others = [(name.replace("_", " "), _value(value)) for name, value in data.items() if name not in _NAMED]
    facts = [
        ("time", duration(known.get("seconds"))),
        ("trajectories", number(known.get("trajectories"))),
        ("learner steps", number(known.get("steps"))),
        ("prompts, training", number(data.get("train"))),
        ("prompts, held out", number(data.get("held_out"))),
        *others,
        ("runtime", str(known.get("runtime", ""))),
        ("curriculum", _method(run.config, "curriculum", usual="shuffled")),
        ("decode rule", _method(run.config, "decode")),
        ("staleness, mean", number(known.get("staleness_mean"))),
        ("learner idle", percent(known.get("learner_idle"))),
        ("searchers idle", percent(known.get("searcher_idle"))),
        ("version", str(run.config.get("version", ""))),
        ("commit", str(commit)[:12] if commit else ""),
    ]
    return [(name, value) for name, value in facts if value not in ("", "–")]
