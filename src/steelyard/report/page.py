"""The report: one HTML page made from a run's records alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError
from steelyard.report.format import duration, number, percent
from steelyard.report.markup import Markup, element
from steelyard.report.measures import headline_of
from steelyard.report.records import Row, RunRecords, read_run
from steelyard.report.sections import CHARTS
from steelyard.report.tables import WORDS
from steelyard.report.template import document

FOOTER = "Made from the run's records alone. Long lines: single steps are faint, their moving average is bold."


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory and return its path; an older one is replaced.

    The page needs no network and no script. What the run did not record is left out.

    Raises:
        SteelyardError: `run_dir` is not a run directory, or one of its files is not what a run writes.
    """
    run = read_run(run_dir)
    sections = [made for make in (*CHARTS, *WORDS) if (made := make(run)) is not None]
    title = f"{run.config['recipe']}, seed {run.config.get('seed', '?')}"
    text = document(f"{title} · Steelyard", _header(run, title), sections, FOOTER)
    page = run_dir / "report.html"
    partial = run_dir / "report.html.partial"
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


def _header(run: RunRecords, title: str) -> Markup:
    notes = [f"The last line of {name} was cut short and is left out." for name in run.torn]
    if run.result is None:
        notes.append("There is no result.json: the run was stopped, or is still going.")
    return element(
        "header",
        element("p", "Steelyard run", class_="kind"),
        element("h1", title),
        *_change(run.evals),
        element("dl", *(element("div", element("dt", k), element("dd", v)) for k, v in _facts(run)), class_="facts"),
        *(element("p", note, class_="note") for note in notes),
    )


def _change(evals: Sequence[Row]) -> list[Markup]:
    """Before and after, of what sums the evaluations up."""
    found = headline_of(evals)
    if found is None:
        return []
    key, name, write, known = found
    first = known[0]
    last = known[-1]
    after = element("span", write(last[key]), class_="to")
    change = [write(first[key]), " → ", after] if len(known) > 1 else [after]
    where = f"from step {first['step']} to step" if len(known) > 1 else "at step"
    text = f"{name}, {where} {last['step']}{_interval(last, key)}"
    return [element("p", *change, class_="change"), element("p", text, class_="unit")]


def _interval(row: Row, key: str) -> str:
    if f"{key}_low" not in row:
        return ""
    ends = f"{percent(row[f'{key}_low'])} to {percent(row[f'{key}_high'])}"
    return f"; 95% interval {ends} on {number(row.get('eval/prompts'))} prompts"


def _facts(run: RunRecords) -> list[tuple[str, str]]:
    """Name and value of what sums up the run, as far as it is known."""
    timing: Row = run.timing[-1] if run.timing else {}
    metrics: Row = run.metrics[-1] if run.metrics else {}
    known: dict[str, Any] = {"steps": metrics.get("step"), **timing, **(run.result or {})}
    commit = run.config.get("commit")
    facts = [
        ("time", duration(known.get("seconds"))),
        ("trajectories", number(known.get("trajectories"))),
        ("learner steps", number(known.get("steps"))),
        ("runtime", str(known.get("runtime", ""))),
        ("staleness, mean", number(known.get("staleness_mean"))),
        ("learner idle", percent(known.get("learner_idle"))),
        ("searchers idle", percent(known.get("searcher_idle"))),
        ("version", str(run.config.get("version", ""))),
        ("commit", str(commit)[:12] if commit else ""),
    ]
    return [(name, value) for name, value in facts if value not in ("", "–")]
