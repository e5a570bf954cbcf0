"""PPO with a value head on the arithmetic task: on-policy, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import PPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(arithmetic.RECIPE, objective=PPO(), replay=SingleUse(capacity=64))
