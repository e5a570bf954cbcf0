"""The unified estimator on the arithmetic task: GRPO as it stands, any of its kin by four flags."""

from dataclasses import replace

from steelyard.objective import Unified
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=Unified())
