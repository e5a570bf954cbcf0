"""`steelyard report RUN`: write a run's page again, from its records only, or show them in a tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.cli.flags import RunDirectory, parse
from steelyard.report import write_pipeline_report, write_report
from steelyard.report.track import show_again
from steelyard.runtime.run_dir.pipeline_file import read_pipeline_file
from steelyard.training.pipeline_run import is_pipeline


@dataclass(frozen=True)
class Report:
    """Write the page of a run or of a pipeline, report.html, again from its records. Neither the model nor a network is
    needed. With --track, show the records of the run, or of each stage, in a tracker instead."""

    run: RunDirectory
    """Directory of a run or of a pipeline; `steelyard train` prints it at the end."""
    track: tuple[str, ...] = ()
    """Where to show them: tensorboard, trackio, wandb or mlflow, one or several."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Write the page and print its path; or hand the records to trackers."""
    asked = parse(Report, words, command="report")
    if asked.track:
        return _show(Path(asked.run), asked.track)
    write = write_pipeline_report if is_pipeline(asked.run) else write_report
    page = write(Path(asked.run))
    print(f"page: {page}")
    return {"run_dir": asked.run, "page": str(page)}


def _show(run_dir: Path, track: tuple[str, ...]) -> Mapping[str, object]:
    stages = [run_dir / stage.run for stage in read_pipeline_file(run_dir).stages] if is_pipeline(run_dir) else []
    shown = [place for place in stages or [run_dir] if place.is_dir()]
    for place in shown:
        show_again(place, track)
        print(f"shown in {', '.join(track)}: {place}")
    return {"run_dir": str(run_dir), "track": track, "shown": [str(place) for place in shown]}
