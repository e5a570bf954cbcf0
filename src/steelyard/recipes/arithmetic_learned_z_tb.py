"""Trajectory balance with a learned log Z on the arithmetic task, from the same replay buffer as VarGrad's."""

from dataclasses import replace

from steelyard.objective import LearnedZTB
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=LearnedZTB(beta=0.1))
