"""Trajectory balance tunes a writer of short versions on a learned reward model, which can be driven too far.

The shape of the paper's TL;DR run on a laptop: half of the prompts drawn by recency, half by a softmax of the score;
beta falls from 1 to 0.05, over the whole run, so that the policy follows its target. The score is the reward model's;
eval/gold and eval/gold_win_rate say what it was worth.
"""

from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.task import Shortening
from steelyard.task.shortening import LONGEST_VERSION

RECIPE = Run(
    task=Shortening(proxy="steelyard/shortening-proxy"),
    objective=VarGradTB(beta=1.0),
    model="steelyard/shortening",
    replay=PrioritizedReplay(recent_probability=0.5, reward_temperature=1.0, warmup=128),
    beta_final=0.05,
    beta_steps=100,
    learning_rate=3e-4,
    max_steps=100,
    num_prompts=16,
    num_generations=8,
    search_prompts=16,
    max_completion_length=LONGEST_VERSION,
    evaluation=HeldOut(every=10, prompts=64, sampled_prompts=128, samples=8),
)
