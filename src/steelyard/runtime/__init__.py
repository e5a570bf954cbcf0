"""Wires the parts: `Inline` on a virtual clock, `Local` in processes of their own, `Ray` in actors of a cluster."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.runtime.inline.driver import Inline
    from steelyard.runtime.local.driver import Local
    from steelyard.runtime.ray.driver import Ray
    from steelyard.runtime.run import HeldOut, Processes, RayCluster, Restarts, Run, VirtualClock
    from steelyard.runtime.run_dir.records import Records, describe, to_json

__all__ = [
    "HeldOut",
    "Inline",
    "Local",
    "Processes",
    "Ray",
    "RayCluster",
    "Records",
    "Restarts",
    "Run",
    "VirtualClock",
    "describe",
    "to_json",
]
_HOMES = {"Inline": "inline.driver", "Local": "local.driver", "Ray": "ray.driver"} | dict.fromkeys(
    ("Records", "describe", "to_json"), "run_dir.records"
)


def __getattr__(name: str) -> Any:
    """Imported on first use: a child process begins with this package, and needs little of it."""
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'run')}"), name)
    raise AttributeError(f"module 'steelyard.runtime' has no attribute {name!r}")
