"""Dr. GRPO on the arithmetic task: on-policy, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=DrGRPO(max_length=20), replay=SingleUse(capacity=64))
