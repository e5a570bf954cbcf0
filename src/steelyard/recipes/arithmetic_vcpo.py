"""VCPO on the arithmetic task: data as old as they come, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import VCPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=VCPO(), replay=SingleUse(capacity=64))
