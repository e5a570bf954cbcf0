"""Ablation: the inverse temperature of reward by which stored trajectories are drawn, in the enumerable world.

The minimiser of trajectory balance is pi* under any sampling distribution of full support, so a preference for high
reward should need no correction. The question is how strong it may be if everything is still to be drawn in time.
"""

from dataclasses import replace

from steelyard.experiments.harness.ablation import ENUMERABLE, Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import LISTED
from steelyard.replay import PrioritizedReplay

__all__ = ["Study", "measure", "section"]

STORE = PrioritizedReplay(capacity_per_prompt=1000, recent_probability=0.0, warmup=256)
ABLATION = Ablation(
    name="ablation-priority",
    title="Temperature of the reward priority",
    text="`enumerable`, 200 steps of 2 prompts x 64 completions, inline. Nothing is drawn for being recent (m = 0): "
    "64 of a prompt's stored completions, at most 1,000, are drawn by a softmax of b x reward, without replacement; "
    "rewards are between 0 and 1. Total variation to pi*, exact.",
    factor="b",
    arms={f"{b:g}": replace(LISTED, replay=replace(STORE, reward_temperature=b)) for b in (0.0, 1.0, 3.0, 10.0, 30.0)},
    findings=(
        Finding("section 3: replay by reward needs no importance weights, for the minimiser is the same",
                "10", "no more than", "0", "total variation at the end", 0.01),
        Finding("the same, for any distribution of full support; at b = 30 little is left of that within 200 steps",
                "30", "no more than", "0", "total variation at the end", 0.01),
    ),
    metrics=ENUMERABLE,
    curve="eval/total_variation",
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
