"""One block of seeds of a proof, judged: what was measured becomes the block of a record."""

import time
from collections.abc import Sequence

from steelyard.experiments.harness.claim import Judged
from steelyard.experiments.harness.metric import PARAMETERS, TOKENS, ArmMetrics
from steelyard.experiments.harness.proof import AnyProof, judge_all, p_of, verdict_of
from steelyard.experiments.harness.proof_record import Block, ClaimFigures, ClaimRecord, Scale
from steelyard.experiments.harness.proof_seed import SeedResult
from steelyard.runtime.run_dir.machine import machine
from steelyard.runtime.run_dir.records import commit

AGREES = "direction agrees"
DISAGREES = "direction disagrees"


def block_of(proof: AnyProof, measured: Sequence[SeedResult], *, jobs: int) -> Block:
    """The judged block. A quick one says whether the direction of every claim agrees, and gives no verdict.

    Raises:
        SteelyardError: a claim asks for what no arm measured.
    """
    by_seed = {one.seed: one.arms for one in measured}
    own, control = judge_all(proof, by_seed)
    quick = measured[0].quick
    core_minutes = sum(sum(one.seconds.values()) for one in measured) / 60
    return Block(
        seeds=list(by_seed),
        verdict=_direction(own) if quick else verdict_of(own, control),
        p=None if quick else p_of(own),
        claims=[_figures(a, b, quick) for a, b in zip(own, control, strict=True)],
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=machine(),
        core_minutes=round(core_minutes, 2),
        minutes=round(core_minutes / min(jobs, len(measured)), 2),
        commit=commit(),
        seed_commits=[one.commit for one in measured],
        arms=_common([*by_seed.values()]),
    )


def claims_of(proof: AnyProof) -> list[ClaimRecord]:
    """What is claimed: the rubric."""
    return [
        ClaimRecord(
            text=claim.text,
            metric=claim.metric,
            ours=claim.ours or proof.ours,
            baseline=claim.baseline,
            min_effect=claim.min_effect,
            lower_is_better=claim.lower_is_better,
            relative=claim.relative,
            control=proof.control_of(claim),
            kind=claim.kind,
        )
        for claim in proof.claims
    ]


def scale_of(block: Block) -> Scale | None:
    """The largest policy and the most tokens of an arm; None where no arm says its parameters."""
    parameters = [value for metrics in block.arms.values() for value in metrics.get(PARAMETERS, [])]
    tokens = [value for metrics in block.arms.values() for value in metrics.get(TOKENS, [])]
    if not parameters:
        return None
    return Scale(round(max(parameters)), round(max(tokens)) if tokens else None)


def agrees(judged: Judged) -> bool:
    """True where the mean effect lies on the side that is claimed: above 0, or for "not worse" above the margin."""
    return judged.mean > min(judged.claim.threshold, 0.0)


def _direction(own: Sequence[Judged]) -> str:
    return AGREES if all(map(agrees, own)) else DISAGREES


def _figures(own: Judged, control: Judged | None, quick: bool) -> ClaimFigures:
    return ClaimFigures(
        effect=own.mean,
        interval=None if quick else own.interval,
        p=None if quick else own.p,
        verdict=_direction([own]) if quick else own.verdict,
        control_effect=control.mean if control is not None else None,
        control_verdict=control.verdict if control is not None and not quick else None,
        ours_by_seed=list(own.ours),
        baseline_by_seed=list(own.baseline),
        control_by_seed=list(control.ours) if control is not None else [],
    )


def _common(seeds: Sequence[ArmMetrics]) -> dict[str, dict[str, list[float]]]:
    """Arm -> metric -> its values, of all that every seed measured."""
    return {
        arm: {
            metric: [arms[arm][metric] for arms in seeds]
            for metric in metrics
            if all(metric in arms[arm] for arms in seeds)
        }
        for arm, metrics in seeds[0].items()
        if all(arm in arms for arms in seeds)
    }
