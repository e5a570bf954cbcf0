"""Dr. GRPO on the guessing game: on-policy, with a single-use queue. The observation-blind bound is 4 / 15 = 26.7 %."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes import guessing
from steelyard.replay import SingleUse

RECIPE = replace(guessing.RECIPE, objective=DrGRPO(max_length=16), replay=SingleUse(capacity=64))
