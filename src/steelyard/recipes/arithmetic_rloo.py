"""RLOO on the KL-shaped reward of the arithmetic task: on-policy, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import RLOO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=RLOO(beta=0.1), replay=SingleUse(capacity=64))
