"""Preference tuning: gold win rate against KL, for trajectory balance, online DPO, RLOO and Dr. GRPO, at lags 1, 2, 15.

Prompts hardly recur: of 3,200 a run meets half. Learning rates 1e-4, 3e-4 and 1e-3 were tried with each method at lag
15 on seed 900; the one with the highest frontier (mean over KL 1 to 4) is taken: 3e-4, which the recipes have.
"""

from steelyard.experiments.studies._preference.comparison import Comparison, Study
from steelyard.recipes import load

__all__ = ["Study", "measure", "section"]

METHODS = {
    "TBA": load("preference"),
    "online DPO": load("preference-dpo"),
    "RLOO": load("preference-rloo"),
    "Dr. GRPO": load("preference-dr-grpo"),
}
PAPER = (
    ("the paper, Table 3 (TL;DR, Pythia 410M): perplexity / gold win rate", "online DPO", "PPO", "RLOO", "TBA"),
    ("on-policy", "1.13 / .85", "1.14 / .86", "1.13 / .82", "–"),
    ("2 steps off-policy", "1.13 / .85", "1.14 / .84", "1.13 / .83", "–"),
    ("about 15 steps", "1.12 / .82", "1.10 / .76", "1.10 / .77", "1.13 / .86"),
)

COMPARISON = Comparison(
    "preference",
    "Preference tuning: gold win rate against KL",
    "`preference`: a writer of short versions is tuned on a reward model that learned from noisy readers who like "
    "length, and judged by the gold reward; win rates are against the writer itself, a tie is half. All methods "
    "learn from as many samples, each once but for trajectory balance, which has its replay buffer; weights are "
    "exactly so many versions old.",
    METHODS,
    PAPER,
)
measure = COMPARISON.measure
section = COMPARISON.section
