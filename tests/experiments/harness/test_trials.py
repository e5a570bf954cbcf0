import json
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_

from steelyard.core import SteelyardError
from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.harness.arm_result import ArmResult, about_of
from steelyard.experiments.harness.evidence import trials
from steelyard.experiments.harness.proof_seed import SeedResult
from steelyard.experiments.harness.trials import (
    Grid,
    Kept,
    cells_of,
    check_seeds,
    combined,
    enter,
    jobs_of,
    record_of,
)
from steelyard.experiments.harness.variation import varied
from steelyard.objective import TOPR

CLAIM = Claim("more", "score", "base", 0.5)
PROOF = Proof(
    ("mine",),
    "mine",
    "off",
    "all",
    (CLAIM, Claim("near", "score", 0.0, 0.1)),
    lambda seed, setting, arms: iter(()),
    {"mine": TOPR(), "base": TOPR(baseline=0.1), "off": TOPR(), "other": TOPR()},
    None,
    None,
    {"mine": 1e-3, "base": 1e-3},
)
GRID = Grid(values=(("baseline", ("0.2", "0.3")),), rates=(1e-4, 1e-3))


def measured(job):
    """Mine is better at the larger rate, the base at the smaller one."""
    large = job.variation.rate == 1e-3
    score = {"mine": 3.0 if large else 1.0, "base": 1.0 if large else 2.0, "off": 0.0, "other": 9.0}
    arms = {arm: {"score": value + 0.1 * (job.seed - 900)} for arm, value in score.items()}
    return SeedResult(job.seed, job.quick, {}, arms, dict.fromkeys(arms, 1.0))


def test_a_grid_is_every_value_with_every_other_at_every_rate():
    assert [(v.changes, v.rate) for v in GRID.variations] == [
        ((("baseline", "0.2"),), 1e-4),
        ((("baseline", "0.2"),), 1e-3),
        ((("baseline", "0.3"),), 1e-4),
        ((("baseline", "0.3"),), 1e-3),
    ]
    assert [v.rate for v in Grid().variations] == [None]
    assert len(jobs_of("mine", "module", GRID, [900, 901], quick=False)) == 8


def test_each_arm_is_judged_at_its_best_rate():
    jobs = jobs_of("mine", "module", GRID, [900, 901], quick=False)
    first, second = combined(PROOF, jobs, [measured(job) for job in jobs])
    assert (first.label, second.label) == ("baseline=0.2", "baseline=0.3")
    assert dict(first.rates) == {"mine": 1e-3, "base": 1e-4, "off": 0.0, "other": 0.0}
    gain, near = first.judged(PROOF)
    assert gain.effect == pytest.approx((1.0, 1.0))
    assert near.effect == pytest.approx((3.0, 3.1))
    lower = replace(PROOF, claims=(replace(CLAIM, lower_is_better=True),))
    assert dict(combined(lower, jobs, [measured(job) for job in jobs])[0].rates)["mine"] == 1e-4


def test_claims_on_arms_that_were_not_tried_are_left_out():
    jobs = jobs_of("mine", "module", Grid(arms=("mine",)), [900], quick=False)
    results = [SeedResult(900, False, {}, {"mine": {"score": 1.0}}, {"mine": 1.0})]
    [one] = combined(PROOF, jobs, results)
    assert [judged.claim.text for judged in one.judged(PROOF)] == ["near"]


def entered(file, jobs):
    kept = Kept(file, PROOF)
    for job in jobs:
        setting, arms = varied(PROOF, job.variation, quick=job.quick)
        for arm in arms:
            about = about_of(setting, arm)
            kept(job, ArmResult(job.seed, arm.name, about, measured(job).arms[arm.name], 1.0, {}, None))
    return kept


def test_every_cell_is_on_record_once_and_settings_are_counted_by_arm(tmp_path):
    jobs = jobs_of("mine", "module", GRID, [900, 901], quick=False)
    file = tmp_path / "trials" / "mine.jsonl"
    kept = entered(file, jobs)
    assert kept.ended == cells_of(PROOF, jobs)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    # Mine and the base: two values, two rates, two seeds. Who learns at no rate is the same at both.
    assert len(rows) == len(kept.ended) == 2 * 2 * 2 * 2 + 2 * 2 * 2
    entered(file, jobs)
    assert len(file.read_text().splitlines()) == len(rows)
    assert rows[0]["arm"] == "mine"
    assert rows[0]["settings"]["arm"]["baseline"] == 0.2
    assert (rows[0]["rate"], rows[0]["seeds"], rows[0]["metrics"]) == (1e-4, [900], {"score": [1.0]})
    assert trials(tmp_path, "mine") == {"mine": 4, "base": 4, "off": 2, "other": 2}


def test_a_seed_that_an_older_line_holds_among_others_is_not_entered_again(tmp_path):
    (job, other) = jobs_of("mine", "module", Grid(arms=("base",)), [900, 901], quick=False)
    one, two = (record_of(PROOF, j, "base", {"score": float(j.seed)}) for j in (job, other))
    file = tmp_path / "mine.jsonl"
    enter(file, [replace_(one, seeds=[900, 901], metrics={"score": [900.0, 901.0]})])
    enter(file, [one, two])
    assert len(file.read_text().splitlines()) == 1
    enter(file, [replace_(two, metrics={"score": [7.0]})])
    assert len(file.read_text().splitlines()) == 2


def test_seeds_of_a_verdict_are_not_for_trials():
    check_seeds([900, 1000])
    with pytest.raises(SteelyardError, match=r"\[899\] are no seeds for trials; try seeds from 900 on"):
        check_seeds([899, 900])
    with pytest.raises(SteelyardError, match="none are no seeds"):
        check_seeds([])
