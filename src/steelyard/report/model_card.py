"""The card of a saved model, README.md beside its weights: what it was made from, how, and what was measured.

It is made from the run's records alone. The header is the one that model hubs read. What is not known is left out, and
nothing is claimed that the run did not measure.
"""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from steelyard.core import cards
from steelyard.report.measures import headline_of
from steelyard.report.page import put_page
from steelyard.report.records import Row, RunRecords, read_run

MODEL = "model"
"""Directory of a run that `transformers` loads."""
SHIPPED = "steelyard/"
"""How the names of models that come with the package begin; a hub knows none of them."""
PARTS = ("objective", "replay", "curriculum", "task")


def write_model_card(run_dir: Path) -> Path | None:
    """Write `model/README.md` of a run and return its path; None where the run saved no model there.

    Raises:
        SteelyardError: `run_dir` is not a run directory, or the disk does not take the file.
    """
    if not (run_dir / MODEL / "config.json").is_file():
        return None
    return put_page(run_dir / MODEL / "README.md", "\n".join(_lines(read_run(run_dir))))


def _lines(run: RunRecords) -> Iterator[str]:
    settings = run.config.get("run")
    made: Row = settings if isinstance(settings, Mapping) else {}
    base = _base(str(made.get("model", "")))
    yield from ("---", "library_name: transformers", "tags: [steelyard, post-training]")
    if base.count("/") == 1 and not base.startswith(SHIPPED):
        yield f"base_model: {base}"
    yield from ("---", "", f"# {run.config['recipe']}", "")
    yield f"Trained by Steelyard {run.config.get('version', '?')}" + (f" from `{base}`." if base else ".")
    yield from ("", *_measured(run), "", "## How it was made", "")
    yield from _methods(made)
    command = run.config.get("command")
    if isinstance(command, list):
        yield from ("", "```sh", shlex.join(map(str, command)), "```")
    yield from ("", f"Seed {run.config.get('seed', '?')}. {run.config.get('machine', '')}".strip())
    yield from ("", "## What is not known", "")
    yield "Only what stands above was measured: other tasks, harms and languages were not. The licence of the base"
    yield "model, and of the data, holds for this model, too."
    yield ""


def _base(model: str) -> str:
    """The base model as others know it: a hub's id as it is, and of a directory its last name alone."""
    path = Path(model)
    return path.name if path.is_absolute() or path.exists() else model


def _measured(run: RunRecords) -> Iterator[str]:
    found = headline_of(run.evals)
    if found is None:
        yield "Nothing was measured on held-out data."
        return
    key, name, write, known = found
    yield from (f"| {name} | |", "|---|---:|")
    rows = [("before", known[0]), ("after", known[-1])] if len(known) > 1 else [("measured", known[-1])]
    for when, row in rows:
        low, high = (row.get(f"{key}_{end}") for end in ("low", "high"))
        interval = "" if low is None else f" [{write(low)}, {write(high)}]"
        yield f"| {when}, step {row['step']} | {write(row[key])}{interval} |"


def _methods(made: Row) -> Iterator[str]:
    """The run's parts that the catalogue knows, with their papers."""
    papers = {card.id: card.paper for card in cards()}
    for part in PARTS:
        chosen = made.get(part)
        if isinstance(chosen, Mapping) and "method" in chosen:
            paper = papers.get(chosen["method"])
            yield f"- {part}: `{chosen['method']}`" + (f" ({paper})" if paper else "")
