"""KTO on the arithmetic task: the policy's own answers, each right or wrong, without pairs."""

from dataclasses import replace

from steelyard.objective import KTO
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=KTO())
