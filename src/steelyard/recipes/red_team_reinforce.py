"""REINFORCE on the KL-shaped toxicity of the red-team world, on-policy: a baseline without a memory.

The learning rate and beta are the best of eleven settings, by families found at a success of at least .9.
"""

from dataclasses import replace

from steelyard.objective import Reinforce
from steelyard.recipes import red_team
from steelyard.replay import SingleUse
from steelyard.runtime import VirtualClock
from steelyard.task import RedTeam

RECIPE = replace(
    red_team.RECIPE,
    task=RedTeam(scale="mean"),
    objective=Reinforce(beta=0.2),
    beta_final=None,
    beta_steps=0,
    replay=SingleUse(capacity=4),
    num_searchers=1,
    num_prompts=1,
    learning_rate=3e-3,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
)
