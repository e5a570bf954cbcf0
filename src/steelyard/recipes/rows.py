"""Questions and answers from a file, on a model of your own: steelyard train rows --model DIR --path gsm8k.jsonl."""

from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Rows

RECIPE = Run(
    task=Rows(path=""), objective=VarGradTB(beta=0.05), model="", learning_rate=1e-5, max_completion_length=512
)
