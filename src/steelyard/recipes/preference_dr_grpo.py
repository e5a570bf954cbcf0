"""Dr. GRPO on the shortening task: importance ratios and clipping, no pull to the reference, a single-use queue."""

from dataclasses import replace

from steelyard.objective import DrGRPO
from steelyard.recipes import preference
from steelyard.replay import SingleUse
from steelyard.task.shortening import LONGEST_VERSION

RECIPE = replace(
    preference.RECIPE,
    objective=DrGRPO(max_length=LONGEST_VERSION),
    replay=SingleUse(capacity=64),
    beta_final=None,
    beta_steps=0,
)
