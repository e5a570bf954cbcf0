"""Dr. GRPO on the shortening task: importance ratios and clipping, no pull to the reference, a single-use queue."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes.named import preference
from steelyard.recipes.preference_base import LONGEST
from steelyard.replay import SingleUse

RECIPE = replace(
    preference.RECIPE,
    objective=DrGRPO(max_length=LONGEST),
    replay=SingleUse(capacity=64),
    beta_final=None,
    beta_steps=0,
)
