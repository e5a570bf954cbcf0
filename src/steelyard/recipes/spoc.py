"""Proposals that the policy itself verifies, in one generation: train spoc --model DIR --path questions.jsonl.

Differs: group size, learning rate and the weight of the KL penalty are ours; the source's could not be confirmed. The
model should write the marks now and then before this: train spoc-sft teaches them.
"""

from steelyard.objective import MessageRLOO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import SPOC

RECIPE = Run(
    task=SPOC(),
    objective=MessageRLOO(beta=0.01),
    model="",
    replay=SingleUse(capacity=64),
    learning_rate=1e-5,
    max_completion_length=1024,
)
