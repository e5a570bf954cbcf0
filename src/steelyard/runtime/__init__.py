"""Wires the parts: `Inline` on a seeded virtual clock, `Local` in processes of their own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.runtime.inline import Inline
    from steelyard.runtime.local import Local
    from steelyard.runtime.records import Records, describe, to_json
    from steelyard.runtime.run import HeldOut, Processes, Restarts, Run, VirtualClock

__all__ = [
    "HeldOut", "Inline", "Local", "Processes", "Records", "Restarts", "Run", "VirtualClock", "describe", "to_json",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imported on first use: a child process begins with this package, and needs little of it."""
    if name in __all__:
        from steelyard.runtime import inline, local, records, run

        return next(getattr(home, name) for home in (run, records, local, inline) if hasattr(home, name))
    raise AttributeError(f"module 'steelyard.runtime' has no attribute {name!r}")
