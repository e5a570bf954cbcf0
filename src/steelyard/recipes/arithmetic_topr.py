"""TOPR on the arithmetic task: right and wrong answers out of the replay buffer, wrong ones tapered."""

from dataclasses import replace

from steelyard.objective import TOPR
from steelyard.recipes import arithmetic

RECIPE = replace(arithmetic.RECIPE, objective=TOPR())
