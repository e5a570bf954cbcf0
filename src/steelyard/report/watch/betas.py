"""The objective's beta at each version of a run's weights, for residuals: it may follow a schedule."""

from bisect import bisect_right
from pathlib import Path

import msgspec

from steelyard.core import Schedule
from steelyard.core.json import JsonMapping
from steelyard.report.format import is_number
from steelyard.report.watch.follow import FollowedRows


class Betas:
    """What `--beta`, `--beta-final` and `--schedule.beta` of a run say.

    Args:
        directory: the run's.
        settings: the part `run` of its config.json.
    """

    def __init__(self, directory: Path, settings: JsonMapping) -> None:
        objective = settings.get("objective")
        beta = objective.get("beta") if isinstance(objective, dict) else None
        self._beta = float(beta) if is_number(beta) else None
        self._schedule = None if self._beta is None else _schedule(settings, self._beta)
        self._metrics = FollowedRows(directory / "metrics.jsonl")

    def at(self, version: int) -> float | None:
        """The beta of the learner's step that begins with the weights of this version; None where the objective has no
        beta that is a number.

        Raises:
            SteelyardError: beta follows a schedule, and a line of metrics.jsonl is not a JSON object.
        """
        return self._beta if self._schedule is None else self._schedule(self._step(version))

    def _step(self, version: int) -> int:
        """Learner steps that had been made: as many as the version says, but in a resumed run, which skips versions."""
        self._metrics.look()
        rows = [row for row in self._metrics.rows if is_number(row.get("version")) and is_number(row.get("step"))]
        place = bisect_right(rows, version, key=lambda row: row["version"])
        return int(rows[place - 1]["step"]) if place else 0


def _schedule(settings: JsonMapping, beta: float) -> Schedule | None:
    """What beta follows; None where it is constant, or config.json has no schedule that can be read."""
    schedules = settings.get("schedule")
    found = schedules.get("beta") if isinstance(schedules, dict) else None
    if found is None and is_number(settings.get("beta_final")):
        found = {"start": beta, "end": settings["beta_final"], "steps": settings.get("beta_steps", 0)}
    try:
        return None if found is None else msgspec.convert(found, Schedule)
    except msgspec.ValidationError:
        return None
