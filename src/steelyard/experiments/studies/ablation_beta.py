"""Ablation: the schedule of beta, constant or falling linearly, and where it ends."""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import STEPS, SUMS, SUMS_TEXT
from steelyard.objective import VarGradTB

__all__ = ["Study", "measure", "section"]


def _falling(first: float, last: float) -> str:
    return f"{first:g} to {last:g}"


FALLS = ((0.1, 0.03), (0.1, 0.01), (0.1, 0.003), (0.4, 0.1))
ABLATION = Ablation(
    name="ablation-beta",
    title="Schedule of beta",
    text=f"{SUMS_TEXT} Beta is constant, or falls linearly over the first half of the steps, as in the paper (.012 to "
    ".004 there). Rewards are 0 and 1 in both, so betas can be compared.",
    factor="beta",
    arms={
        **{f"{beta:g}": replace(SUMS, objective=VarGradTB(beta=beta)) for beta in (0.1, 0.003)},
        **{
            _falling(first, last): replace(
                SUMS, objective=VarGradTB(beta=first), beta_final=last, beta_steps=STEPS // 2
            )
            for first, last in FALLS
        },
    },
    findings=(
        Finding("GSM8K, figure 7: beta_final of about .003 is unstable, .004 is used",
                "0.1 to 0.003", "less than", "0.1 to 0.03", "lowest late", 0.02),
        Finding("the same, with so small a beta from the start", "0.003", "less than", "0.1", "lowest late", 0.02),
    ),
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
