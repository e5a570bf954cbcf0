"""Trajectory balance learns to call a tool: products of two numbers with a calculator at hand, on one core.

The base model ships with the package. It mostly answers at once and is wrong; it calls the calculator in one episode of
six. On-policy, with a single-use queue, as `guessing`.
"""

from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run
from steelyard.task import Calculator

RECIPE = Run(
    task=Calculator(),
    objective=VarGradTB(beta=0.03),
    model="steelyard/calculator",
    replay=SingleUse(capacity=64),
    learning_rate=2e-4,
    optimizer=Adam(),
    max_steps=20,
    num_prompts=32,
    num_generations=8,
    search_prompts=32,
    max_completion_length=16,
    evaluation=HeldOut(every=5),
)
