"""Ctrl-C and SIGTERM as a request: the run makes a checkpoint and ends. A second one ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from steelyard.core import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Whether the run was asked to end, and by which signal."""

    requested: int | None = None

    def ask(self, number: int, _: FrameType | None = None) -> None:
        """Note the request; the second one interrupts.

        Raises:
            KeyboardInterrupt: this is the second request.
        """
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = number

    def stopped(self, run_dir: Path, step: int, saved: int | None) -> Stopped:
        """The error that ends a run which was asked to stop at `step`, with its newest checkpoint at `saved`."""
        assert self.requested is not None
        kept = "before its first checkpoint" if saved is None else f"with a checkpoint of step {saved}"
        begun = (run_dir / "config.json").is_file()
        return Stopped(
            f"stopped by {signal.Signals(self.requested).name} at step {step}, {kept}",
            where=str(run_dir),
            hint=f"go on with steelyard train --resume {run_dir}" if begun else "nothing was written; begin again",
            signal=self.requested,
        )


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Turn the two signals into requests inside the `with`; outside the main thread signals are left alone."""
    stop = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
