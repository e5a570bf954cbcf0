"""Where late and used samples serve an objective, by what the frontier study measured, and what of a plan is outside.

    takes samples for fresh    a policy gradient without ratio (`needs.on_policy`)
    weighs by the sampler      what reads the log-probabilities of the policy that sampled
    takes any sampler's        the others: trajectory balance, pairs, demonstrations

The bounds are those up to which the medians of one world lose at most two points of accuracy, at rates that were tuned
on late data (docs/reuse.md). A larger model, or a smaller rate, moves less from version to version: for it they are
cautious. How late samples are is known before a run where a bound is set, or where the clock is virtual; elsewhere the
run measures it.
"""

from dataclasses import dataclass

from steelyard.core import needs_of
from steelyard.replay import SingleUse
from steelyard.runtime import Run


@dataclass(frozen=True)
class Region:
    """Up to where an objective lost next to nothing."""

    how: str
    """It takes old samples."""
    lag: int
    """Versions."""
    reuse: int
    """Learner steps for each searcher batch of the same size."""
    change: str
    """What else helps beyond it."""


FRESH = Region(
    "takes samples for fresh ones", 1, 4, "take an objective that weighs by the sampling policy, such as weighted-tb"
)
ANY = Region("takes any sampler's samples", 1, 4, "take weighted-tb, or lower --learning-rate and beta")
WEIGHS = Region("weighs samples by the policy that sampled", 64, 4, "lower --learning-rate")
"""Of the two that were measured the one that bears less: `weighted-tb` lost nothing at 256."""


def region_of(objective: object) -> Region:
    """The region of an objective, by what it declares to need."""
    needs = needs_of(objective)
    if "logp_behaviour_PGT" in needs.fields:
        return WEIGHS
    return FRESH if needs.on_policy else ANY


def outside(run: Run) -> list[str]:
    """A sentence on each side on which a plan leaves the region of its objective, and what to change."""
    region = region_of(run.objective)
    lag, reuse = latest(run), uses(run)
    found = []
    if lag is not None and lag > region.lag:
        found.append(
            f"samples up to {lag} versions old, and the objective {region.how}: "
            f"up to {region.lag} next to nothing was lost; "
            f"set --max-staleness {region.lag}, or {region.change}"
        )
    if lag is None and region is FRESH:
        found.append(
            f"nothing bounds how old samples are, and the objective {region.how}; "
            f"set --max-staleness {region.lag}, or {region.change}"
        )
    if reuse is not None and reuse > region.reuse:
        found.append(
            f"each sample is learned from {reuse:g} times, and up to {region.reuse} next to nothing was lost; "
            f"raise --search-prompts"
        )
    return found


def latest(run: Run) -> int | None:
    """Versions by which samples may trail; None where only the run will tell."""
    bounds = [] if run.max_staleness is None else [run.max_staleness]
    if run.runtime == "inline" and isinstance(run.replay, SingleUse):
        clock = run.inline
        bounds.append(round(clock.publication_lag * run.weight_sync_steps + _steps_of_a_batch(run)))
    return min(bounds, default=None)


def uses(run: Run) -> float | None:
    """How often a sample is learned from in the mean; None where only the run will tell."""
    if isinstance(run.replay, SingleUse):
        return 1.0
    if run.runtime != "inline":
        return None
    learned = run.num_prompts * run.num_generations * max(1.0, _steps_of_a_batch(run))
    return learned / (run.search_prompts * run.samples_searched)


def _steps_of_a_batch(run: Run) -> float:
    """Learner steps while a searcher makes a batch, on the virtual clock; 0 where one waits for the other."""
    clock = run.inline
    return clock.search_cost / clock.learn_cost / max(1, run.num_searchers) if clock.learn_cost else 0.0
