"""GRPO on the arithmetic task: on-policy, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import GRPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=GRPO(), replay=SingleUse(capacity=64))
