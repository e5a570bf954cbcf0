"""Wires the parts: `Inline` on a seeded virtual clock, `Local` in processes of their own."""

from steelyard.runtime.inline import Inline
from steelyard.runtime.local import Local
from steelyard.runtime.records import Records, describe, to_json
from steelyard.runtime.run import HeldOut, Processes, Restarts, Run, VirtualClock

__all__ = [
    "HeldOut", "Inline", "Local", "Processes", "Records", "Restarts", "Run", "VirtualClock", "describe", "to_json",
]  # fmt: skip
