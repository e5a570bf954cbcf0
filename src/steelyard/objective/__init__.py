"""What is minimised: each method maps a batch to a loss, by the rule for its weights, residuals or scores."""

from steelyard.objective.base import Objective
from steelyard.objective.dpo import DPO
from steelyard.objective.dr_grpo import DrGRPO
from steelyard.objective.grpo import GRPO
from steelyard.objective.ipo import IPO
from steelyard.objective.kernels import contrast, policy_gradient, squared_residual, weighted_likelihood
from steelyard.objective.learned_z_tb import LearnedZTB
from steelyard.objective.reinforce import Reinforce
from steelyard.objective.rloo import RLOO
from steelyard.objective.sft import SFT
from steelyard.objective.vargrad_tb import VarGradTB

__all__ = [
    "DPO", "GRPO", "IPO", "RLOO", "SFT", "DrGRPO", "LearnedZTB", "Objective", "Reinforce", "VarGradTB", "contrast",
    "policy_gradient", "squared_residual", "weighted_likelihood",
]  # fmt: skip
