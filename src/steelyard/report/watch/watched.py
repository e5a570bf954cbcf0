"""What a page watches: runs, and pipelines with their stages. A stage that begins later joins them."""

import threading
from collections.abc import Sequence
from pathlib import Path

from steelyard.core import require
from steelyard.report.overlay import short_names
from steelyard.report.watch.follow import FollowedRun
from steelyard.runtime.run_dir.pipeline_file import PIPELINE, begun_stages


class Watched:
    """The watched runs, each with a number that it keeps.

    Args:
        given: directories of runs or of pipelines, at least one.

    Raises:
        SteelyardError: one of them is neither, none is given, or a file of one is not what a run writes.
    """

    def __init__(self, given: Sequence[Path]) -> None:
        require(bool(given), "RUN is missing", where="watch", hint="see steelyard watch --help")
        self._given = tuple(dict.fromkeys(given))
        self._lock = threading.Lock()
        self.pipelines = [path for path in self._given if (path / PIPELINE).is_file()]
        self.runs: list[FollowedRun] = []
        self.renew()

    @property
    def names(self) -> list[str]:
        """A name for each run that no other has."""
        return short_names([run.directory for run in self.runs])

    def renew(self) -> None:
        """Let the stages join that have begun since.

        Raises:
            SteelyardError: a file of one is not what a run writes.
        """
        with self._lock:
            known = {run.directory for run in self.runs}
            self.runs += [FollowedRun(path) for path in self._begun() if path not in known]

    def _begun(self) -> list[Path]:
        parts = [begun_stages(path) if path in self.pipelines else [path] for path in self._given]
        return list(dict.fromkeys(run for part in parts for run in part))
