"""A game that is played in text, on a model of your own: train text-game --model DIR --game my_game.py:Maze.

On-policy, with a single-use queue, as `guessing`: what the game says is not the policy's.
"""

from steelyard.objective import VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import TextGame

RECIPE = Run(
    task=TextGame(),
    objective=VarGradTB(beta=0.05),
    model="",
    replay=SingleUse(capacity=64),
    learning_rate=1e-5,
    max_completion_length=64,
)
