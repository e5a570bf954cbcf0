"""Dr. GRPO on the guessing game. The observation-blind bound is 4 / 15 = 26.7 %."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes import guessing

RECIPE = replace(guessing.RECIPE, objective=DrGRPO(max_length=16))
