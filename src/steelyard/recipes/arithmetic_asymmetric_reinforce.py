"""Asymmetric REINFORCE on the arithmetic task: right and wrong answers out of the replay buffer, without a ratio."""

from dataclasses import replace

from steelyard.objective import AsymmetricReinforce
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=AsymmetricReinforce())
