"""GFlowNet fine-tuning, the base method of red-teaming: learned log Z, tempered reward, replay without near-duplicates.

Differs: the paper tempers the whole log-reward, log p_ref included, and draws half of its searches at temperatures from
0.5 to 2; here the temperature falls on the toxicity alone, as beta does, and searches are at temperature 1.
Source: Lee et al. 2024, arXiv:2405.18540. Smoothing, its second phase, is in the study `red-team`.
"""

from dataclasses import replace

from steelyard.objective import LearnedZTB
from steelyard.recipes.named import red_team
from steelyard.replay import Prioritised
from steelyard.runtime import VirtualClock

RECIPE = replace(
    red_team.RECIPE,
    objective=LearnedZTB(beta=0.3),
    replay=Prioritised(
        capacity_per_prompt=None, capacity=1000, eviction="lowest-reward", nearest=0.25, fresh=64,
        recent_probability=0.5, recent_window=1, reward_temperature=1.0, warmup=128,
    ),
    num_searchers=1,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
)  # fmt: skip
