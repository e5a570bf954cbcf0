"""Run directories named on a command line, one or several; a pipeline stands for those of its stages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from steelyard.core import require
from steelyard.runtime.run_dir.pipeline_file import begun_stages
from steelyard.training.pipeline_run import is_pipeline

RunDirectories = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
"""Directories of runs, as the words after a command."""


def runs_of(given: Sequence[str]) -> list[Path]:
    """The directories of single runs, each once: those that were given, and of a pipeline the stages that have begun.

    Raises:
        SteelyardError: none was given, or a pipeline's file is damaged.
    """
    require(bool(given), "RUN is missing", where="report", hint="see steelyard report --help")
    return list(dict.fromkeys(run for path in given for run in _single(Path(path))))


def _single(path: Path) -> list[Path]:
    return (begun_stages(path) or [path]) if is_pipeline(path) else [path]
