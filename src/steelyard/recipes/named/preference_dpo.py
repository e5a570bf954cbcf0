"""Online DPO on the shortening task: pairs of the policy's own completions, ordered by the reward model."""

from dataclasses import replace

from steelyard.objective import DPO
from steelyard.recipes.named import preference
from steelyard.replay import SingleUse

RECIPE = replace(
    preference.RECIPE,
    objective=DPO(beta=0.1),
    replay=SingleUse(capacity=64),
    beta_final=None,
    beta_steps=0,
    num_prompts=64,
    num_generations=2,
    search_prompts=64,
)
