"""The curves of the watched runs as values for JSON, made again when a run has changed, and not too often."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.report.overlay import overlay
from steelyard.report.page import heading_of, sections_of
from steelyard.report.watch.follow import Look
from steelyard.report.watch.pace import EVERY, pause
from steelyard.report.watch.values import section_values
from steelyard.report.watch.watched import Watched


@dataclass
class _Made:
    """What was sent last for a choice of runs, and when the next one is due."""

    key: str
    values: JsonObject
    due: float


class LivePage:
    """The page of some runs, any choice of which can be shown overlaid."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._made: dict[tuple[int, ...], _Made] = {}
        self._lock = threading.Lock()

    def values(self, chosen: Sequence[int], seen: str) -> JsonObject:
        """Heading and sections of the chosen runs; only their `key` where it is the one that the reader has seen."""
        with self._lock:
            made = self._made.get(tuple(chosen))
            if made is None or time.monotonic() >= made.due:
                made = self._made[tuple(chosen)] = self._renew(tuple(chosen), made)
        wait = {"again_s": max(EVERY, made.due - time.monotonic())}
        return {"key": made.key, **wait} if made.key == seen else {"key": made.key, **wait, **made.values}

    def _renew(self, chosen: tuple[int, ...], last: _Made | None) -> _Made:
        begun = time.thread_time()
        try:
            looks = [self._watched.runs[i].look() for i in chosen]
            key = ".".join(f"{i}-{look.count}-{look.state}" for i, look in zip(chosen, looks, strict=True))
            values = last.values if last is not None and key == last.key else self._values(chosen, looks)
        except SteelyardError as error:
            key, values = f"error: {error}", {"error": str(error)}
        spent = time.thread_time() - begun
        return _Made(key, values, time.monotonic() + pause(spent))

    def _values(self, chosen: Sequence[int], looks: Sequence[Look]) -> JsonObject:
        all_names = self._watched.names
        names = [all_names[i] for i in chosen]
        records = [look.records for look in looks]
        sections = overlay([(name, sections_of(run)) for name, run in zip(names, records, strict=True)])
        states = {name: look.state for name, look in zip(names, looks, strict=True)}
        heading = asdict(heading_of(names, records))
        return {"heading": heading, "states": states, "sections": [section_values(s) for s in sections]}
