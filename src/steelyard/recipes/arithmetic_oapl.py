"""OAPL on the arithmetic task: regression onto the advantage over whichever weights sampled."""

from dataclasses import replace

from steelyard.objective import OAPL
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=OAPL(beta=0.1), replay=SingleUse(capacity=64))
