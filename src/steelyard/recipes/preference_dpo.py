"""Online DPO on the shortening task: pairs of the policy's own completions, ordered by the reward model.

Its beta falls as that of `preference` does: scores are log-odds, so an equal beta means an equal target.
"""

from dataclasses import replace

from steelyard.objective import DPO
from steelyard.recipes import preference
from steelyard.replay import SingleUse

RECIPE = replace(
    preference.RECIPE,
    objective=DPO(beta=1.0),
    replay=SingleUse(capacity=256),
    num_prompts=64,
    num_generations=2,
    search_prompts=64,
)
