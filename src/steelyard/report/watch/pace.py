"""How often the page is brought up to date: it lives beside the run, so what an open view spends is bounded."""

SHARE = 0.005
"""Of one processor, for the updates of one open view."""
EVERY = 1.0
"""Shortest time between two updates (seconds)."""


def pause(spent: float) -> float:
    """Seconds from an update that took `spent` seconds of processor time to the next one."""
    return max(EVERY, spent / SHARE)
