"""Anchored trajectory balance on the arithmetic task: samples as old as they come, each learned from once."""

from dataclasses import replace

from steelyard.objective import AnchoredTB
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=AnchoredTB(beta=0.1), replay=SingleUse(capacity=64))
