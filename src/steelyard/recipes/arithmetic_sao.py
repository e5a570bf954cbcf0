"""SAO on the arithmetic task: one sample of each of 256 problems, a value head, and a single-use queue."""

from dataclasses import replace

from steelyard.objective import SAO
from steelyard.recipes import arithmetic
from steelyard.replay import SingleUse

RECIPE = replace(
    arithmetic.RECIPE,
    objective=SAO(),
    replay=SingleUse(capacity=512),
    num_prompts=256,
    num_generations=1,
    search_prompts=256,
)
