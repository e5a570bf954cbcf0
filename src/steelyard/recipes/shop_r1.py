"""The next action of people, with a reason: steelyard train shop-r1 --model DIR --path actions.jsonl.

Rows have a prompt and, in the column `action`, the right action; `--reward shop-r1:FILE.json` has types of your own.
Differs: group size and learning rate are ours, the source's rate is 1e-7. The model should write such objects before
this: fine-tune it with `sft` on some, reasons included.
"""

from steelyard.objective import SelfCertainGRPO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import Rows

RECIPE = Run(
    task=Rows(needs_answer=False),
    objective=SelfCertainGRPO(),
    model="",
    reward="shop-r1:action",
    replay=SingleUse(capacity=64),
    learning_rate=1e-6,
    max_completion_length=512,
)
