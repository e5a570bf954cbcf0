import math
from dataclasses import replace

import pytest

from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.harness.claim import judge
from steelyard.experiments.harness.proof import judge_all, p_of, verdict_of
from steelyard.experiments.harness.proof_block import agrees, block_of, claims_of, scale_of
from steelyard.experiments.harness.proof_record import Scale
from steelyard.experiments.harness.proof_seed import SeedResult

MORE = Claim("more", "score", "base", 0.1)
LESS = Claim("not more costly", "cost", "base", -0.5, lower_is_better=True)
ARMS: dict[str, None] = dict.fromkeys(["ours", "base", "off"])
PROOF = Proof(
    ("toy",), "ours", "off", "all", (MORE, LESS), lambda seed, setting, arms: iter(()), ARMS, setting=None, quick=None
)
SCORES = (0.5, 0.7, 0.6)
COSTS = (1.2, 1.3, 1.1)


def seeds(off: float = 0.0, *, quick: bool = False) -> list[SeedResult]:
    return [
        SeedResult(
            seed,
            quick,
            {},
            {
                "ours": {"score": score, "cost": cost, "parameters": 50.0, "tokens": 1000.0 + seed},
                "base": {"score": 0.0, "cost": 1.0, "parameters": 70.0},
                "off": {"score": off + 0.01 * seed, "cost": 1.0},
            },
            {"ours": 60.0, "base": 30.0},
        )
        for seed, (score, cost) in enumerate(zip(SCORES, COSTS, strict=True))
    ]


def test_a_block_by_hand():
    block = block_of(PROOF, seeds(), jobs=2)
    assert (block.seeds, block.verdict, block.core_minutes, block.minutes) == ([0, 1, 2], "shown", 4.5, 2.25)
    # The effect on cost is -.2 with a standard deviation of .1, so t = .3 sqrt(3) / .1, with two degrees of freedom.
    score = 3 * math.sqrt(3)
    assert block.claims[1].p == pytest.approx(0.5 - score / 2 / math.sqrt(2 + score**2))
    assert block.p == block.claims[1].p
    assert block.claims[0].p is not None
    assert block.claims[0].p < block.p
    assert [claim.effect for claim in block.claims] == pytest.approx([0.6, -0.2])
    assert [claim.control_verdict for claim in block.claims] == ["not shown", None]
    assert [claim.control_by_seed for claim in block.claims] == [[0.0, 0.01, 0.02], []]
    assert scale_of(block) == Scale(70, 1002)
    assert [claim.control for claim in claims_of(PROOF)] == ["off", None]


def test_a_control_that_shows_a_gain_leaves_nothing_shown():
    assert block_of(PROOF, seeds(off=0.9), jobs=1).verdict == "not shown"


def test_a_claim_without_a_p_leaves_the_proof_without_one():
    level = Claim("a level", "cost", 1.0, 0.0, lower_is_better=True, ours="base")
    own, control = judge_all(replace(PROOF, claims=(MORE, level)), {one.seed: one.arms for one in seeds()})
    assert (p_of(own), verdict_of(own, control)) == (None, "too noisy")


def test_the_direction_is_that_of_the_claim():
    found = {one.seed: one.arms for one in seeds(quick=True)}
    assert [agrees(judge(claim, found, "ours")) for claim in (MORE, LESS)] == [True, True]
    strict = replace(LESS, min_effect=-0.1)
    assert not agrees(judge(strict, found, "ours"))
    block = block_of(PROOF, seeds(quick=True), jobs=1)
    assert (block.verdict, block.p, block.claims[0].interval) == ("direction agrees", None, None)
