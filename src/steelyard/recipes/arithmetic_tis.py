"""Truncated importance sampling on the arithmetic task: lagging data at a capped weight, from a single-use queue."""

from dataclasses import replace

from steelyard.objective import TIS
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=TIS(max_length=20))
