import math
from dataclasses import replace

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness import Claim, share
from steelyard.experiments.harness.claim import as_share, judge


def arms(**scores: float) -> dict:
    return {arm: {"score": score} for arm, score in scores.items()}


def test_an_effect_by_hand():
    seeds = {0: arms(ours=3.0, base=2.0), 1: arms(ours=5.0, base=2.0)}
    claim = Claim("more", "score", "base", 0.5)
    found = judge(claim, seeds, "ours")
    assert found.effect == (1.0, 3.0)
    assert found.mean == 2.0
    assert found.interval == pytest.approx((2 - 6.313752, 2 + 6.313752))  # t(.95, 1) = 6.3138, sd / sqrt(2) = 1
    assert found.verdict == "too noisy"
    assert judge(replace(claim, relative=True), seeds, "ours").effect == pytest.approx((math.log(1.5), math.log(2.5)))
    assert judge(replace(claim, lower_is_better=True), seeds, "ours").effect == (-1.0, -3.0)
    assert judge(replace(claim, baseline=4.0), seeds, "ours").effect == (-1.0, 1.0)
    assert judge(claim, {0: seeds[0]}, "ours").verdict == "too noisy", "one seed has no interval"
    with pytest.raises(SteelyardError, match="no 'score' of 'theirs'"):
        judge(claim, seeds, "theirs")
    zero = {0: arms(ours=1.0, base=0.0)}
    with pytest.raises(SteelyardError, match=r"0.0 has no logarithm"):
        judge(replace(claim, relative=True), zero, "ours")
    with pytest.raises(SteelyardError, match=r"the baseline is 0, and a relative effect is claimed"):
        judge(replace(claim, relative=True, baseline=0.0), zero, "ours")


def test_a_relative_claim_is_judged_on_the_log_scale():
    claim = Claim("a fifth less", "score", "base", 0.2, lower_is_better=True, relative=True)
    seeds = {s: arms(ours=ours, base=1.0) for s, ours in enumerate((0.7, 0.72, 0.71))}
    found = judge(claim, seeds, "ours")
    assert claim.threshold == pytest.approx(-math.log(0.8))
    assert as_share(found.mean, lower_is_better=True) == pytest.approx(1 - (0.7 * 0.72 * 0.71) ** (1 / 3))
    assert found.verdict == "shown"
    more = Claim("a fifth more", "score", "base", 0.2, relative=True)
    assert more.threshold == pytest.approx(math.log(1.2))
    assert as_share(math.log(1.2), lower_is_better=False) == pytest.approx(0.2)


def test_a_share_whose_seeds_agree_is_judged_by_its_counts():
    claim = Claim("at most 5 %", "bad", 0.0, -0.05, lower_is_better=True)
    seeds = {s: {"ours": share("bad", 0, 100)} for s in range(3)}
    found = judge(claim, seeds, "ours")
    assert found.verdict == "shown"
    assert found.p == pytest.approx(0.95**300)
    unknown = judge(claim, {s: {"ours": {"bad": 0.0}} for s in range(3)}, "ours")
    assert (unknown.verdict, unknown.p) == ("too noisy", None)
