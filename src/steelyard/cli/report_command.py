"""`steelyard report RUN`: write a run's page again from its records alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.cli.flags import RunDirectory, parse
from steelyard.report import write_report


@dataclass(frozen=True)
class Report:
    """Write a run's page, report.html, again from its records alone. It needs neither the model nor a network."""

    run: RunDirectory
    """A run's directory, as `steelyard train` names it when it ends."""


def run(words: Sequence[str]) -> dict[str, Any]:
    """Write the page and say where it is."""
    asked = parse(Report, words, command="report")
    page = write_report(Path(asked.run))
    print(f"page: {page}")
    return {"run_dir": asked.run, "page": str(page)}
