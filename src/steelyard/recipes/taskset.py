"""A task set of verifiers v1, on a model of your own: train taskset --model DIR --taskset my_tasks.py:Sums."""

from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Taskset

RECIPE = Run(
    task=Taskset(),
    objective=VarGradTB(beta=0.05),
    model="",
    learning_rate=1e-5,
    max_completion_length=512,
)
