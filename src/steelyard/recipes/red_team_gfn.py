"""GFlowNet fine-tuning, the base method of red-teaming: learned log Z, tempered reward, replay without near-duplicates.

    loss = (log Z + log pi(y) - (log pi_ref(y) / gamma + r(y) / b) / T)^2          gamma 1, b .07, T from 2 to 1

Half of the searches are at a temperature between .5 and 2. Differs: b is .07 in place of .1; gamma stays 1, where the
paper's ends at 1 to 1.2.
Source: Lee et al. 2024, arXiv:2405.18540. Smoothing, its second phase, is in the study `red-team`.
"""

from dataclasses import replace

from steelyard.objective import LearnedZTB
from steelyard.recipes import red_team
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import VirtualClock

B = 0.07
RECIPE = replace(
    red_team.RECIPE,
    objective=LearnedZTB(beta=2 * B, reference_beta=B),
    beta_final=B,
    search_temperatures=(0.5, 2.0),
    replay=PrioritizedReplay(
        capacity_per_prompt=None, capacity=1000, eviction="lowest-reward", near_duplicate_threshold=0.25,
        protected_per_prompt=64, recent_probability=0.5, recent_window=1, reward_temperature=1.0, warmup=128,
    ),
    num_searchers=1,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
)  # fmt: skip
