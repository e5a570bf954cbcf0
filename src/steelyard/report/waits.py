"""Who waits for whom: one rule for the page, and for the terminal while a run goes on."""

from collections import Counter
from collections.abc import Iterable, Mapping
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


WORDS: Mapping[Bottleneck | None, str] = {
    "searchers": "The learner waits for trajectories: searchers are the bottleneck, and more of them would help.",
    "learner": "Searchers wait for the learner, which max_staleness asks of them: the learner is the bottleneck.",
    "driver": "Both wait for the driver, which stores and hands over what there is: fewer searchers would do as well.",
    None: "Neither waits for long.",
}
"""What to say of a bottleneck, and what would change it."""
_OF_WINDOWS: Mapping[Bottleneck | None, str] = {
    "searchers": "the learner waits for searchers",
    "learner": "searchers wait for the learner",
    "driver": "both wait for the driver",
    None: "neither waits for long",
}


def told_of_windows(bottlenecks: Iterable[Bottleneck | None]) -> str:
    """In how many windows of a run who waits for whom, the most frequent first; empty without windows."""
    counts = Counter(bottlenecks)
    parts = [f"in {number} {_OF_WINDOWS[who]}" for who, number in counts.most_common()]
    return f"Of {counts.total()} windows: {', '.join(parts)}." if parts else ""
