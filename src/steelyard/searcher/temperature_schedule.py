"""At which temperature a searcher's batch is drawn, where that varies: half at the usual one, half hotter or colder.

    tau = the usual temperature, or, with probability 1/2, a draw from Uniform(low, high)

A batch has one temperature, which follows from the seed and the batch's first sample: a resumed run draws alike.
Source: red-teaming by GFlowNets, Lee et al. 2024, arXiv:2405.18540.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steelyard.core import Request, Sampling, rng


@dataclass(frozen=True)
class TemperatureSchedule:
    """Draws the temperature of each batch."""

    low: float
    """The least that the varied half has, above 0."""
    high: float
    """Where it ends."""
    seed: int
    """Of the draws."""

    def of(self, sampling: Sampling, requests: Sequence[Request]) -> Sampling:
        """How to sample these requests."""
        if not requests:
            return sampling
        draws = rng(self.seed, "heat", requests[0].prompt_id, requests[0].sample)
        varied = draws.random() < 0.5
        tau = draws.uniform(self.low, self.high)
        return replace(sampling, temperature=tau) if varied else sampling
