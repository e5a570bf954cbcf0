"""Trajectory balance selects the habit of working sums out, on a laptop, in a minute."""

from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import Run
from steelyard.task import Arithmetic

RECIPE = Run(
    task=Arithmetic(),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    replay=PrioritizedReplay(recent_probability=0.5, warmup=256),
    learning_rate=1e-4,
    optimizer=Adam(),
    max_steps=100,
    num_prompts=32,
    num_generations=8,
    search_prompts=32,
    max_completion_length=20,
)
