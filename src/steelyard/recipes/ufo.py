"""Questions and answers of your own with several attempts, PPO: train ufo --model DIR --path questions.jsonl.

As the paper has it: 8 prompts with 16 episodes each, PPO with the whole return (lambda 1). Differs: no prompts are left
out for the spread of their rewards, the clip's interval is even (0.2 on both sides), and there is no entropy bonus.
"""

from steelyard.objective import PPO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import UFO

RECIPE = Run(
    task=UFO(),
    objective=PPO(beta=0.0, lam=1.0),
    model="",
    replay=SingleUse(capacity=32),
    learning_rate=1e-5,
    num_prompts=8,
    num_generations=16,
    search_prompts=8,
    max_completion_length=400,
)
