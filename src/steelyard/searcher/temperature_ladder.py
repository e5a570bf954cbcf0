"""A temperature for each searcher, so that several explore each in its own way.

    tau_k = low (high / low)^(k / (N - 1)),    k = 0 ... N - 1;    tau_0 = low where N is 1

N searchers; neighbours have the same quotient, as the replicas of parallel tempering have. It belongs to the searcher's
place, not to its process: one that is started again explores as the one before it.
Source: none, the rule is ours; Bartoldson et al. 2025, arXiv:2503.18929, leave open how searchers are to differ.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TemperatureLadder:
    """Gives the temperature of each searcher.

    >>> [TemperatureLadder(1.0, 4.0, 3).of(k) for k in range(3)]
    [1.0, 2.0, 4.0]
    """

    low: float
    """Of the first searcher, above 0."""
    high: float
    """Of the last one."""
    searchers: int
    """How many there are."""

    def of(self, searcher: int) -> float:
        """Of one searcher, counted from 0."""
        return self.low * (self.high / self.low) ** (searcher / max(self.searchers - 1, 1))
