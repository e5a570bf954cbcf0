"""Who waits for whom: one rule for the page, and for the terminal while a run goes on."""

from typing import Literal

WORTH_A_WORD = 0.1
"""A share of waiting that is worth a word."""
Bottleneck = Literal["searchers", "learner"]


def bottleneck_of(learner_idle: float, searcher_idle: float) -> Bottleneck | None:
    """The side that the other one waits for, from the shares of time that the two wait; None if neither waits long."""
    if max(learner_idle, searcher_idle) < WORTH_A_WORD:
        return None
    return "searchers" if learner_idle > searcher_idle else "learner"
