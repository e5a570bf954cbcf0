"""Trajectory balance with importance weights on the arithmetic task: old samples count as far as they are likely."""

from dataclasses import replace

from steelyard.objective import WeightedTB
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=WeightedTB(beta=0.03))
