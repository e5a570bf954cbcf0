"""PPO on what a verifier can check, questions of your own: steelyard train rlvr --model DIR --path questions.jsonl.

Tulu 3's last stage (arXiv:2411.15124, table 21, the 8B model): 224 completions a step, beta 0.05, rewards of 10, 0 and
-10. Differs: each sample is learned from once, in place of four times; the value head is new and linear, in place of a
reward model that goes on as a value model; advantages are not whitened; the rate stays, where theirs falls linearly
(--optimizer.schedule.stable 0 --optimizer.schedule.decay STEPS).
"""

from steelyard.objective import PPO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import RLVR

RECIPE = Run(
    task=RLVR(),
    objective=PPO(beta=0.05),
    model="",
    replay=SingleUse(capacity=56),
    max_steps=446,
    learning_rate=3e-7,
    num_prompts=28,
    num_generations=8,
    search_prompts=28,
    max_completion_length=2048,
)
