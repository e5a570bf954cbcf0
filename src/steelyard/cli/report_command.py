"""`steelyard report RUN`: write a run's page again, from its records only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.cli.flags import RunDirectory, parse
from steelyard.report import write_report


@dataclass(frozen=True)
class Report:
    """Write a run's page, report.html, again from its records. Neither the model nor a network is needed."""

    run: RunDirectory
    """Directory of a run; `steelyard train` prints it at the end."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Write the page and print its path."""
    asked = parse(Report, words, command="report")
    page = write_report(Path(asked.run))
    print(f"page: {page}")
    return {"run_dir": asked.run, "page": str(page)}
