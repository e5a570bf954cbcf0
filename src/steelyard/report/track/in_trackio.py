"""trackio's local database: `trackio show --project steelyard` opens its page. Samples are traces."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steelyard.core.json import JsonMapping
from steelyard.report.track.tracker import PROJECT, Tracked


class Trackio:
    """Logs to where trackio is told to by its own variables: TRACKIO_DIR, or by TRACKIO_SPACE_ID a Space."""

    def __init__(self, tracked: Tracked, trackio: Any) -> None:
        self._traces = trackio.Trace
        self._finish = trackio.finish
        resume = "allow" if tracked.resumed else "never"
        with _on_standard_error():
            self._run = trackio.init(
                PROJECT, tracked.name, config=tracked.config, resume=resume, auto_log_gpu=False,
                auto_log_cpu=False, embed=False,
            )  # fmt: skip

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One row of metrics."""
        self._run.log(dict(values), step=step)

    def samples(self, rows: Sequence[JsonMapping], step: int) -> None:
        """One trace for each sample: what was asked, what was answered, and the reward."""
        for number, row in enumerate(rows):
            messages = [
                {"role": "user", "content": str(row.get("prompt"))},
                {"role": "assistant", "content": str(row.get("completion"))},
            ]
            told = {name: value for name, value in row.items() if name not in ("prompt", "completion")}
            self._run.log({f"samples/{number}": self._traces(messages, metadata=told)}, step=step)

    def close(self) -> None:
        """Wait until all is stored."""
        with _on_standard_error():
            self._finish()  # not the run's own, after which trackio would finish it again as Python exits


@contextlib.contextmanager
def _on_standard_error() -> Iterator[None]:
    """What trackio prints goes there: standard output is for --json."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
