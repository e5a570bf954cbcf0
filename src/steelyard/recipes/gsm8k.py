r"""GSM8K on RhoMath-1B by trajectory balance, with the paper's settings; needs the model and the data.

Differs: weights and updates in float32, where the published code rounds both to bfloat16; the gradient is clipped (norm
1); a prompt is recent for two versions, since there is no synchronisation to count from.

    lr    = 1e-5 (warm-up 50, stable 450, decay 500 steps);   beta = 0.012 -> 0.004 by step 500, then constant
    batch = 7 prompts x 20 of the samples stored, with probability 0.95 from the newest prompts
    searchers make 24 samples of a prompt at a time; weights are published every 2 steps

Temperature 0.7 is the published code's. The prompt's template is that of the SFT model (Kazemnejad et al. 2024,
arXiv:2410.01679). Adam's decay .999 is what the published code leaves at its library's default.
Source: Bartoldson et al. 2025, arXiv:2503.18929, appendix B.1 and table 2.
"""

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.task import Rows

RECIPE = Run(
    task=Rows(
        path="openai/gsm8k",
        subset="main",
        held_out="test",
        prompt_template="[MATH_TASK] Problem:\n{prompt}\n\nSolution:",
    ),
    objective=VarGradTB(beta=0.012),
    model="realtreetune/rho-1b-sft-GSM8K",
    replay=PrioritizedReplay(capacity_per_prompt=100, recent_probability=0.95, recent_window=2, warmup=500),
    num_searchers=3,
    max_steps=1000,
    learning_rate=1e-5,
    optimizer=Adam(beta2=0.999, schedule=WarmupStableDecay(warmup=50, stable=450, decay=500)),
    beta_final=0.004,
    beta_steps=500,
    num_prompts=7,
    num_generations=20,
    search_prompts=3,
    search_generations=24,
    max_completion_length=512,
    temperature=0.7,
    weight_sync_steps=2,
    evaluation=HeldOut(every=100, prompts=1319, sampled_prompts=64, samples=8),
)
