r"""Zero RL, GRPO on a base model by right answers alone: train simplerl-zoo --model DIR --path questions.jsonl.

The settings of the authors' run (arXiv:2503.18892): 8 samples of each of 1,024 prompts, learned from in four steps of
256, about 100 such rounds; a KL penalty of 1e-4, which is 1e-3 for 32B models (--beta 1e-3). Differs: no entropy bonus
(theirs weighs 0.001); GRPO's mean over the tokens of each sample, where their loss is a mean over all tokens of a step;
searchers do not wait for the learner, so samples may be some steps older. Adam's decays are their trainer's defaults.

The prompt is plain, for base models that follow no instructions well. For those that do, ask for a box:
--chat --prompt-template "{prompt}\nPlease reason step by step, and put your final answer within \boxed{}."
Both wordings are our reading of the paper, unconfirmed. Rows should be neither all solved nor all unsolved:
steelyard audit model-task-alignment says so for each level of a file.
"""

from steelyard.learner import Adam
from steelyard.objective import GRPO
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run
from steelyard.task import Rows, SimpleRLZoo

PROMPT = "Question:\n{prompt}\nAnswer:\nLet's think step by step.\n"
RECIPE = Run(
    task=SimpleRLZoo(task=Rows(prompt_template=PROMPT)),
    objective=GRPO(clip=0.2, beta=1e-4),
    model="",
    replay=SingleUse(capacity=2048),
    max_steps=400,
    learning_rate=5e-7,
    optimizer=Adam(beta2=0.999, weight_decay=0.01),
    num_prompts=256,
    num_generations=8,
    search_prompts=1024,
    weight_sync_steps=4,
    max_completion_length=8192,
    evaluation=HeldOut(every=20, prompts=500, sampled_prompts=64, samples=8),
)
