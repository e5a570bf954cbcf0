"""REINFORCE with a moving-average baseline on the KL-shaped reward of the arithmetic task, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import ReinforceEMA
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=ReinforceEMA(beta=0.1), replay=SingleUse(capacity=64))
