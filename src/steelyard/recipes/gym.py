"""Any reasoning-gym data set, on a model of your own: steelyard train gym --model DIR --dataset chain_sum."""

from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Gym

RECIPE = Run(
    task=Gym(dataset="chain_sum"),
    objective=VarGradTB(beta=0.05),
    model="",
    learning_rate=1e-5,
    max_completion_length=256,
)
