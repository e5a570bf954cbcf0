"""`steelyard report RUN`: write a run's page again from its records alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelyard.cli.flags import first
from steelyard.report import write_report


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Write the page and say where it is."""
    directory, _ = first(arguments, command="report", what="RUN")
    page = write_report(Path(directory))
    print(f"page: {page}")
    return {"page": str(page)}
