"""Make RL of somebody else bring nothing: train tokenbuncher --model DIR --path requests.jsonl.

The rows are requests that the model is to refuse. As the authors have it: 4 samples of 32 requests in each step, 200
steps, a rate of 1e-6. Differs: one optimiser step in place of their four on a quarter each.
"""

from steelyard.objective import TokenBuncher
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import Unscored

RECIPE = Run(
    task=Unscored(),
    objective=TokenBuncher(),
    model="",
    replay=SingleUse(capacity=64),
    learning_rate=1e-6,
    num_prompts=32,
    num_generations=4,
    search_prompts=32,
    max_steps=200,
    max_completion_length=1024,
)
