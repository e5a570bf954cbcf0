"""TL;DR on Pythia 410M by trajectory balance, with the paper's settings; needs the model, a reward model and the data.

Differs: beta falls to 0.05 in a line and is there at step 32, where the published code follows the line that would be
there at half the run and is cut to 0.05 at step 32; the gradient is clipped (norm 1); a prompt is recent for ten
versions, since there is no synchronisation to count from. The prompts are those of trl-lib/tldr, plain text; the
paper's are vwxyzjn/summarize_from_feedback_tldr_3_filtered_oai_preprocessing_1706381144, padded tokens (that the two
hold the same posts was not checked).

    lr    = 3e-6, falling to 0 over the 256 steps;   beta = 1 -> 0.05 by step 32, then constant
    batch = 8 prompts x 20 samples, with probability 0.5 from the newest prompts, otherwise by softmax of the score
    r     = the reward model's score, -1 without an end of sequence; weights published every 10 steps

Larger: `tldr-1b` and `tldr-2b8`. The paper judges by a reward model of 6.9B: --gold-model
cleanrl/EleutherAI_pythia-6.9b-deduped__reward__tldr. A reward model of your own: steelyard reward-model. The names of
models are those of the published launch script.
Source: Bartoldson et al. 2025, arXiv:2503.18929, table 3, and its published trainer.
"""

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.task import JudgedRows

TASK = JudgedRows(
    path="trl-lib/tldr", held_out="validation", reward_model="mnoukhov/pythia410m-rm-tldr6.9b", cut_off=-1.0
)
RECIPE = Run(
    task=TASK,
    objective=VarGradTB(beta=1.0),
    model="mnoukhov/pythia410m-sft-tldr",
    replay=PrioritizedReplay(
        capacity_per_prompt=100, recent_probability=0.5, recent_window=10, reward_temperature=1.0, warmup=10_000
    ),
    num_searchers=3,
    max_steps=256,
    learning_rate=3e-6,
    optimizer=Adam(beta2=0.999, schedule=WarmupStableDecay(warmup=0, stable=0, decay=256)),
    beta_final=0.05,
    beta_steps=32,
    num_prompts=8,
    num_generations=20,
    search_prompts=8,
    max_completion_length=128,
    temperature=0.7,
    weight_sync_steps=10,
    evaluation=HeldOut(every=64, prompts=64, sampled_prompts=256, samples=1),
)
