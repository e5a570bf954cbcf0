"""What the parts of a run cost: seconds of one core, or of one device, that nobody else uses."""

from dataclasses import dataclass

from steelyard.core import NonNegative, Positive, PositiveInt, checked


@checked("plan")
@dataclass(frozen=True, kw_only=True)
class SideCosts:
    """What may cost nothing, in seconds of one core or device."""

    score: NonNegative = 0.0
    """Scoring a searcher batch."""
    publish: NonNegative = 0.0
    """From the end of a step to when its weights can be taken up; on shared cores this is work of the learner."""
    evaluate: NonNegative = 0.0
    """An evaluation of the evaluator."""
    store: NonNegative = 0.0
    """Reading a completion and storing it."""
    draw: NonNegative = 0.0
    """What the driver does between two learner steps: entering the one, drawing the groups of the next."""


@checked("plan")
@dataclass(frozen=True, kw_only=True)
class Costs(SideCosts):
    """Seconds, each of one core or device."""

    wave: Positive
    """A searcher batch: search_prompts x S completions, with the reference's log-probabilities."""
    step: Positive
    """A learner step on num_prompts x num_generations completions, which are read first."""
    lengths: tuple[PositiveInt, ...] = (1,)
    """Tokens of completions of a wave, as they were measured."""
