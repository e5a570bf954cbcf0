"""IcePop on the arithmetic task: tokens whose importance ratio is far from 1 are left out."""

from dataclasses import replace

from steelyard.objective import IcePop
from steelyard.recipes import arithmetic_dr_grpo

RECIPE = replace(arithmetic_dr_grpo.RECIPE, objective=IcePop())
