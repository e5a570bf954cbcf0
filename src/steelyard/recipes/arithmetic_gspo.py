"""GSPO on the arithmetic task: the ratio of whole sequences, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import GSPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=GSPO(), replay=SingleUse(capacity=64))
