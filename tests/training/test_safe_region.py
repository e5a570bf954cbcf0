"""A plan that leaves the region in which its objective lost nothing says so, and how to come back."""

from dataclasses import replace

import pytest

from steelyard.objective import CISPO, DrGRPO, VarGradTB
from steelyard.recipes import load
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import Run, VirtualClock
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.safe_region import ANY, FRESH, WEIGHS, latest, outside, region_of, uses

UNCORRECTED = DrGRPO(importance_ratio=False)
LATE = {"runtime": "inline", "replay": SingleUse()}


def late(objective: object, lag: int, **more: object) -> Run:
    """Arithmetic with samples exactly so many versions old, each used once."""
    clock = VirtualClock(learn_cost=0.0, publication_lag=lag)
    return replace(load("arithmetic"), objective=objective, inline=clock, **LATE | more)  # type: ignore[arg-type]


def test_an_objective_has_the_region_of_what_it_reads():
    assert [region_of(one) for one in (UNCORRECTED, DrGRPO(), CISPO(), VarGradTB())] == [FRESH, WEIGHS, WEIGHS, ANY]


@pytest.mark.parametrize(("objective", "region"), [(UNCORRECTED, FRESH), (CISPO(), WEIGHS), (VarGradTB(), ANY)])
def test_a_lag_beyond_the_region_is_said(objective, region):
    assert outside(late(objective, region.lag)) == []
    (said,) = outside(late(objective, region.lag + 1))
    assert f"up to {region.lag + 1} versions old" in said
    assert f"set --max-staleness {region.lag}, or {region.change}" in said
    assert outside(late(objective, region.lag + 1, max_staleness=region.lag)) == []


def test_without_a_bound_only_what_takes_samples_for_fresh_is_warned_of():
    local = load("arithmetic")
    assert latest(local) is None and outside(local) == []
    (said,) = outside(replace(local, objective=UNCORRECTED))
    assert "nothing bounds how old samples are" in said


def test_uses_are_counted_where_the_clock_is_virtual():
    once = late(VarGradTB(), 1, replay=PrioritizedReplay())
    assert uses(once) == 1.0
    often = replace(once, search_prompts=2)
    assert uses(often) == 16.0
    (said,) = outside(often)
    assert "learned from 16 times" in said and "raise --search-prompts" in said
    assert uses(replace(often, replay=SingleUse())) == 1.0
    assert uses(replace(often, runtime="local")) is None
    slow = replace(once, inline=VirtualClock(search_cost=3.0, learn_cost=1.0))
    assert uses(slow) == 3.0


def test_a_dry_run_prints_it():
    planned = plan(late(VarGradTB(), 64), "arithmetic")
    assert any("outside the region that was measured as safe: samples up to 64" in one for one in plan_lines(planned))
    assert not any("outside" in one for one in plan_lines(plan(load("arithmetic"), "arithmetic")))
