"""RLOO on the KL-shaped score of the shortening task: on-policy, with a single-use queue."""

from dataclasses import replace

from steelyard.objective import RLOO
from steelyard.recipes.named import preference
from steelyard.replay import SingleUse

RECIPE = replace(
    preference.RECIPE, objective=RLOO(beta=0.05), replay=SingleUse(capacity=64), beta_final=None, beta_steps=0
)
