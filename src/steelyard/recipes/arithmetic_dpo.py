"""Online DPO on the arithmetic task: pairs of the policy's own answers, right against wrong."""

from dataclasses import replace

from steelyard.objective import DPO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(
    arithmetic.RECIPE,
    objective=DPO(),
    replay=SingleUse(capacity=256),
    num_generations=2,
    num_prompts=128,
    search_prompts=128,
)
