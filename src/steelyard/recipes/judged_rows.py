"""Preference tuning on prompts of your own by a reward model: train judged-rows --model DIR --path q.jsonl."""

from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import JudgedRows

RECIPE = Run(
    task=JudgedRows(path=""), objective=VarGradTB(beta=0.05), model="", learning_rate=1e-5, max_completion_length=256
)
