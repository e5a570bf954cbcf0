"""Rounds of reward model, rejection sampling, SFT, DPO: train llama3 --model DIR --pairs F --prompts F --sft F.

The settings of Llama 3 (arXiv:2407.21783, section 4): six rounds, K = 10 answers of which the reward model keeps the
best, SFT and DPO at a learning rate of 1e-5, beta 0.1, 0.2 times the likelihood of what was chosen, and special tokens
left out of DPO's loss. SFT begins with the pretrained model in every round, DPO with the SFT model. Differs: nobody
labels or edits between the rounds, so preference data are the files' or a judge's; the reward model reads each answer
by itself, as the paper's does before its shortcut of one row; each round imitates the newest samples alone; data are
not pruned by topic, difficulty and likeness. Unconfirmed, because the paper does not say: batch sizes, epochs, the
sampling temperature, the reward model's learning rate, and which runs were averaged (--runs).
"""

from dataclasses import replace

from steelyard.data import ComparedAnswers, RejectionSampling
from steelyard.data.job import Building
from steelyard.objective import DPO
from steelyard.recipes import bradley_terry, offline_dpo, sft
from steelyard.training.rounds import Rounds

RECIPE = Rounds(
    reward=bradley_terry.RECIPE,
    sampling=Building(builder=RejectionSampling(samples=10)),
    sft=replace(sft.RECIPE, batch_size=128, learning_rate=1e-5),
    dpo=replace(
        offline_dpo.RECIPE,
        objective=DPO(beta=0.1),
        nll_weight=0.2,
        format_masked=True,
        batch_size=128,
        learning_rate=1e-5,
    ),
    compared=Building(builder=ComparedAnswers(samples=2)),
)
