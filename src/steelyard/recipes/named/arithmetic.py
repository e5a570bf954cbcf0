"""Trajectory balance selects the habit of working sums out, on a laptop, in a minute."""

from dataclasses import replace

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import Prioritised
from steelyard.runtime import Run
from steelyard.task import Arithmetic

STEADY = Run(
    task=Arithmetic(),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    replay=Prioritised(recent_probability=0.5, warmup=256),
    learning_rate=1e-4,
    optimizer=Adam(),
    max_steps=100,
    num_prompts=32,
    num_generations=8,
    search_prompts=32,
    max_completion_length=20,
)
"""One small learning rate for every method: what comparisons of methods start from."""
# Tuned for the time to 80 % (docs/lab-notes.md): three large steps find the habit, at an eighth of them it settles.
RECIPE = replace(
    STEADY,
    objective=VarGradTB(beta=0.05),
    replay=Prioritised(recent_probability=0.5, recent_window=2, warmup=128),
    learning_rate=1e-3,
    optimizer=Adam(schedule=WarmupStableDecay(stable=3, decay=6, floor=0.12)),
    max_steps=200,
    num_prompts=16,
    search_prompts=8,
)
