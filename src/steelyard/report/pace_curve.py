"""How fast each side of a run went, and how long it waited, window by window from its begin to its end."""

import math
from collections.abc import Sequence

from steelyard.core.json import JsonObject
from steelyard.report.format import is_number
from steelyard.report.records import Row
from steelyard.report.run_pace import LEAST, Pace, RunPace

WINDOWS = 60
"""Most windows of a run; none is shorter than `LEAST` seconds."""


def pace_rows(metrics: Sequence[Row], timing: Sequence[Row]) -> list[JsonObject]:
    """A row for each window: `seconds` at its end, `window` (its length in seconds), and what `Pace` says of it, by the
    same names; `waits_for` is who the others wait for. Rows of metrics count at the time of the next row of timing.

    Args:
        metrics: rows of metrics.jsonl.
        timing: rows of timing.jsonl, in order; without them there are no windows.
    """
    timed = [row for row in timing if is_number(row.get("seconds")) and is_number(row.get("step"))]
    if not timed:
        return []
    shortest = max(LEAST, (timed[-1]["seconds"] - timed[0]["seconds"]) / WINDOWS)
    pace = RunPace(window=math.inf)
    stepped = [row for row in metrics if is_number(row.get("step"))]
    found: list[JsonObject] = []
    begun, taken = timed[0]["seconds"], 0
    for row in timed:
        now = row["seconds"]
        pace.take("timing", row, now)
        while taken < len(stepped) and stepped[taken]["step"] <= row["step"]:
            pace.take("metrics", stepped[taken], now)
            taken += 1
        if now - begun >= shortest and (said := pace.pace()) is not None:
            found.append(_row(said, now, now - begun))
            pace.begin_anew()
            begun = now
    return found


def _row(said: Pace, now: float, window: float) -> JsonObject:
    return {"seconds": now, "window": window, **vars(said), "waits_for": said.bottleneck}
