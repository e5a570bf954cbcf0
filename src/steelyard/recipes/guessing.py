"""Trajectory balance learns to use what it is told: a guessing game of up to four turns, on one core.

A player who ignores the answers finds at most 4 of 15 numbers:

    observation-blind bound = 4 / 15 = 26.7 %       (`steelyard.task.guessing.best_blind_score` tries every player)

Differs from the other recipes: on-policy, with a single-use queue. The number is hidden, so the target pi* is another
for each number, and no policy that cannot see it attains them all. What minimises the loss then depends on the data. On
the policy's own data the gradient is that of the reward less beta times the KL divergence; on old data from the buffer,
prioritised, accuracy rises more slowly and less steadily (`docs/lab-notes.md` has the numbers).
"""

from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import Guessing

RECIPE = Run(
    task=Guessing(),
    objective=VarGradTB(beta=0.03),
    model="steelyard/guessing",
    replay=SingleUse(capacity=64),
    learning_rate=6e-4,
    optimizer=Adam(),
    max_steps=80,
    num_prompts=32,
    num_generations=8,
    search_prompts=32,
    max_completion_length=4,
)
