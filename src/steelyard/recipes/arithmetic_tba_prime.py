"""TBA' on the arithmetic task: a constant beta, the reference reset every 50 steps, and no buffer."""

from dataclasses import replace

from steelyard.objective import TBAPrime
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=TBAPrime(beta=0.005), replay=SingleUse(capacity=64), reference_reset=50)
