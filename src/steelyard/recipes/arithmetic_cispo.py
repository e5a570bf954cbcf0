"""CISPO on the arithmetic task: clipped importance weights, and a gradient at every token."""

from dataclasses import replace

from steelyard.objective import CISPO
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=CISPO())
