"""TensorBoard's files in RUN/tensorboard: `tensorboard --logdir runs` shows every run below runs."""

import shutil
from collections.abc import Mapping, Sequence
from types import ModuleType

from steelyard.core.json import JsonMapping
from steelyard.report.track.tracker import Tracked

DIRECTORY = "tensorboard"


class TensorBoard:
    """Writes event files; those of an earlier showing are replaced, unless the run goes on."""

    def __init__(self, tracked: Tracked, tensorboard: ModuleType) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        place = tracked.directory / DIRECTORY
        if not tracked.resumed:
            shutil.rmtree(place, ignore_errors=True)
        self._writer = SummaryWriter(str(place))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One point on each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def samples(self, rows: Sequence[JsonMapping], step: int) -> None:
        """One text for each sample."""
        for number, row in enumerate(rows):
            told = f"reward {row.get('reward')}\n\n{_quoted(row.get('prompt'))}\n\n{_quoted(row.get('completion'))}"
            self._writer.add_text(f"samples/{number}", told, step)

    def close(self) -> None:
        """Write the files to their end."""
        self._writer.close()


def _quoted(text: object) -> str:
    """As a block that TensorBoard's Markdown leaves as it is."""
    return "\n".join(f"    {line}" for line in str(text).splitlines())
