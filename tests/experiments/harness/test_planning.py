import math

import pytest
from scipy import stats

from steelyard.core import SteelyardError
from steelyard.experiments.harness.claim import Claim, Judged, judge
from steelyard.experiments.harness.planning import plan_seeds, quartile


def trial(effects, min_effect=0.0) -> Judged:
    seeds = {900 + number: {"ours": {"x": value}, "base": {"x": 0.0}} for number, value in enumerate(effects)}
    return judge(Claim("more", "x", "base", min_effect), seeds, "ours")


def exact_power(effect: float, spread: float, seeds: int) -> float:
    """Of one claim with margin 0, by the noncentral t distribution."""
    return float(stats.nct.sf(stats.t.ppf(0.95, seeds - 1), seeds - 1, effect * math.sqrt(seeds) / spread))


def test_one_claim_takes_what_the_noncentral_t_distribution_says():
    effects = (0.5, 1.0, 1.5)  # lower quartile .75, standard deviation .5
    plan = plan_seeds([trial(effects)])
    assert quartile(effects) == 0.75
    assert plan.seeds is not None
    assert exact_power(0.75, 0.5, plan.seeds) > 0.88
    assert exact_power(0.75, 0.5, plan.seeds - 1) < 0.92
    assert plan.power == pytest.approx(exact_power(0.75, 0.5, plan.seeds), abs=0.02)


def test_three_seeds_suffice_where_nothing_varies_and_all_claims_count():
    assert plan_seeds([trial((1.0, 1.0))]).seeds == 3
    # Two claims that are lucky on the same seeds take as many as one; on opposite ones, more.
    one, same, other = trial((0.5, 1.0, 1.5)), trial((0.5, 1.0, 1.5)), trial((1.5, 1.0, 0.5))
    assert plan_seeds([one, same]).seeds == plan_seeds([one]).seeds
    assert plan_seeds([one, other]).power < 1.0
    both = plan_seeds([one, other]).seeds
    alone = plan_seeds([one]).seeds
    assert both is not None
    assert alone is not None
    assert both > alone


def test_where_twelve_do_not_suffice_it_says_what_to_change():
    plan = plan_seeds([trial((0.1, 1.0, 2.0), min_effect=0.4)])
    assert plan.seeds is None
    assert plan.text.endswith("change the world or the margin")
    below = plan_seeds([trial((0.1, 0.2), min_effect=0.3)])
    assert (below.seeds, below.text) == (None, "the trial's lower quartile is below what is claimed: more")
    with pytest.raises(SteelyardError, match="a trial of 1 seeds has no spread"):
        plan_seeds([trial((1.0,))])
    with pytest.raises(SteelyardError, match="a trial of 0 seeds"):
        plan_seeds([])
