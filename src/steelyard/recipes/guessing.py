"""Trajectory balance learns to use what it is told: a guessing game of up to four turns, on one core.

A player who ignores the answers finds at most 4 of 15 numbers:

    observation-blind bound = 4 / 15 = 26.7 %       (`steelyard.task.guessing.best_blind_score` tries every player)
"""

from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import Run
from steelyard.task import Guessing

RECIPE = Run(
    task=Guessing(),
    objective=VarGradTB(beta=0.1),
    model="steelyard/guessing",
    replay=PrioritizedReplay(recent_probability=0.5, warmup=256),
    learning_rate=6e-4,
    optimizer=Adam(),
    max_steps=100,
    num_prompts=32,
    num_generations=8,
    search_prompts=32,
    max_completion_length=4,
)
