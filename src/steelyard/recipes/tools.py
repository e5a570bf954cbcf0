"""Questions answered with tools: train tools --model DIR --path questions.jsonl --environment-factory my_tools.py:Desk.

On-policy, with a single-use queue, as `guessing`: what the tools say is not the policy's.
"""

from steelyard.objective import VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import Tools

RECIPE = Run(
    task=Tools(),
    objective=VarGradTB(beta=0.05),
    model="",
    replay=SingleUse(capacity=64),
    learning_rate=1e-5,
    max_completion_length=512,
)
