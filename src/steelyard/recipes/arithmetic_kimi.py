"""Kimi k1.5's objective on the arithmetic task: the reference becomes the policy every 10 steps."""

from dataclasses import replace

from steelyard.objective import Kimi
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=Kimi(beta=0.1), replay=SingleUse(capacity=64), reference_reset=10)
