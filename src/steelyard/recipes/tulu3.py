"""SFT, then length-normalised DPO, then RLVR, as one run: train tulu3 --model DIR --sft F --pairs F --rows F.

The settings of Tulu 3's 8B model (arXiv:2411.15124, tables 11, 20 and 21). Differs: rates stay as they are, where the
paper's rise for 3 % (SFT) or 10 % (DPO) of a stage's steps and then fall linearly, which
--sft.optimizer.schedule.warmup and its like give in steps; the loss of SFT is a mean over a step's tokens, not their
sum; the last stage is the recipe `rlvr`, whose page says more.
"""

from dataclasses import replace

from steelyard.objective import DPO
from steelyard.recipes import offline_dpo, rlvr, sft
from steelyard.training.three_stages import ThreeStages

RECIPE = ThreeStages(
    sft=replace(sft.RECIPE, epochs=2, batch_size=128, learning_rate=5e-6),
    dpo=replace(
        offline_dpo.RECIPE, objective=DPO(beta=5.0, length_normalised=True), batch_size=128, learning_rate=5e-7
    ),
    rlvr=rlvr.RECIPE,
)
