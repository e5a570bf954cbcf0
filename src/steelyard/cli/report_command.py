"""`steelyard report RUN...`: write a run's page again, from its records only, or one page of several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.cli.flags import parse
from steelyard.cli.run_directories import RunDirectories, runs_of
from steelyard.core import require
from steelyard.report import write_comparison, write_pipeline_report, write_report
from steelyard.report.track import show_again
from steelyard.training.pipeline_run import is_pipeline


@dataclass(frozen=True)
class Report:
    """Write the page of a run or of a pipeline, report.html, again from its records. Neither the model nor a network is
    needed. Several runs share one page, --output, their curves overlaid. With --track, show the records of the runs,
    or of each stage, in a tracker instead."""

    runs: RunDirectories = ()
    """Directories of runs or of pipelines; `steelyard train` prints them at the end."""
    output: str | None = None
    """The page of several runs, an .html file; a page that stands there is replaced."""
    track: tuple[str, ...] = ()
    """Where to show them: tensorboard, trackio, wandb or mlflow, one or several."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Write the page and print its path; or hand the records to trackers."""
    asked = parse(Report, words, command="report")
    runs = runs_of(asked.runs)
    if asked.track:
        return _show(asked.runs, runs, asked.track)
    several = len(asked.runs) > 1
    require(not several or asked.output is not None, "is missing", where="--output", hint="name the page of these runs")
    page = _write_one(Path(asked.runs[0])) if asked.output is None else write_comparison(runs, _page(asked.output))
    print(f"page: {page}")
    return {"run_dir": asked.runs[0], "page": str(page)}


def _write_one(run_dir: Path) -> Path:
    return write_pipeline_report(run_dir) if is_pipeline(run_dir) else write_report(run_dir)


def _page(output: str) -> Path:
    page = Path(output)
    hint = "name a file such as compared.html in a directory that is there"
    require(page.suffix == ".html" and page.parent.is_dir(), f"is {output!r}", where="--output", hint=hint)
    return page


def _show(given: Sequence[str], runs: Sequence[Path], track: tuple[str, ...]) -> Mapping[str, object]:
    for place in runs:
        show_again(place, track)
        print(f"shown in {', '.join(track)}: {place}")
    return {"run_dir": given[0], "track": track, "shown": [str(place) for place in runs]}
