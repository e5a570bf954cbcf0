"""Decoupled PPO on the arithmetic task: the clip's own policy becomes the learner's every 4 steps."""

from dataclasses import replace

from steelyard.objective import DecoupledPPO
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=DecoupledPPO(), reference_reset=4)
