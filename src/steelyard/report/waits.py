"""Who waits for whom: one rule for the page, and for the terminal while a run goes on."""

from typing import Literal

WORTH_A_WORD = 0.1
"""A share of waiting that is worth a word."""
FULL = 0.85
"""A share of a core from which on the driver is busy all the time: it does one thing after another."""
Bottleneck = Literal["searchers", "learner", "driver"]


def bottleneck_of(learner_idle: float, searcher_idle: float, driver_busy: float = 0.0) -> Bottleneck | None:
    """Who the others wait for, from the shares of time that both sides wait, and that of a core that the driver takes;
    None if neither side waits for long."""
    if max(learner_idle, searcher_idle) < WORTH_A_WORD:
        return None
    if driver_busy >= FULL:
        return "driver"
    return "searchers" if learner_idle > searcher_idle else "learner"
