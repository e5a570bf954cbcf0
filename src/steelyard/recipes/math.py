r"""MATH on Qwen2.5-7B by TBA' (constant beta, reference reset, no buffer), with the paper's settings; needs both.

Differs: the paper's levels of staleness stand in a plot; two versions, exactly, is ours, and `--inline.publication-lag`
sets another. Weights and updates in float32. The prompt's template and Adam's decays are not in the paper.

    lr    = 1e-6;   beta = 0.005, both constant;   pi_ref <- pi every 50 steps
    batch = 32 prompts x 16 samples, each used once, sampled by weights two versions old;   400 steps

Prompts have at most 1024 tokens in the paper, and completions here 2048, which is its model length of 3072 less such a
prompt. `--max-prompt-length 1024 --filter-overlong-prompts` leaves longer ones out, and counts them; without, a prompt
that leaves no room in the model's own context is refused.
Source: Bartoldson et al. 2025, arXiv:2503.18929, section 6 and table 4.
"""

from steelyard.learner import Adam
from steelyard.objective import TBAPrime
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run, VirtualClock
from steelyard.task import Rows

RECIPE = Run(
    task=Rows(
        path="DigitalLearningGmbH/MATH-lighteval",
        held_out="test",
        prompt_template="{prompt}\nPlease reason step by step, and put your final answer within \\boxed{}.\n",
    ),
    objective=TBAPrime(beta=0.005),
    model="Qwen/Qwen2.5-7B",
    replay=SingleUse(),
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0, publication_lag=2),
    max_steps=400,
    learning_rate=1e-6,
    optimizer=Adam(),
    reference_reset=50,
    num_prompts=32,
    num_generations=16,
    search_prompts=32,
    max_completion_length=2048,
    temperature=1.0,
    evaluation=HeldOut(every=50, prompts=500, sampled_prompts=64, samples=8),
)
