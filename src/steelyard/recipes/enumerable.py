"""Trajectory balance against the exact answer: total variation to pi* in a world of 1,000 completions."""

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.task import Enumerable

RECIPE = Run(
    task=Enumerable(),
    objective=VarGradTB(beta=0.15),
    model="steelyard/enumerable",
    replay=PrioritizedReplay(capacity_per_prompt=1000, recent_probability=0.5, warmup=256),
    learning_rate=4e-3,
    optimizer=Adam(schedule=WarmupStableDecay(warmup=20, stable=100, decay=480)),
    max_steps=600,
    num_prompts=2,
    num_generations=128,
    search_prompts=2,
    max_completion_length=3,
    evaluation=HeldOut(every=100, prompts=2, sampled_prompts=2, samples=2),
)
