"""`steelyard report RUN`: write a run's page again, from its records only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.cli.flags import RunDirectory, parse
from steelyard.report import write_pipeline_report, write_report
from steelyard.training.pipeline_run import is_pipeline


@dataclass(frozen=True)
class Report:
    """Write the page of a run or of a pipeline, report.html, again from its records. Neither the model nor a network is
    needed."""

    run: RunDirectory
    """Directory of a run or of a pipeline; `steelyard train` prints it at the end."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Write the page and print its path."""
    asked = parse(Report, words, command="report")
    write = write_pipeline_report if is_pipeline(asked.run) else write_report
    page = write(Path(asked.run))
    print(f"page: {page}")
    return {"run_dir": asked.run, "page": str(page)}
