"""What is minimised: each method maps a batch to a loss, by the rule for its weights, residuals or scores."""

from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.asymmetric_reinforce import AsymmetricReinforce
from steelyard.objective.base import BatchWide, Objective, ScalesRate, StatefulObjective
from steelyard.objective.canon import CANON
from steelyard.objective.cgpo import CGPO
from steelyard.objective.chosen_likelihood import WithChosenLikelihood
from steelyard.objective.cispo import CISPO
from steelyard.objective.codpo import CODPO
from steelyard.objective.crpg import CRPG
from steelyard.objective.crraft import CRRAFT
from steelyard.objective.decoupled_ppo import DecoupledPPO
from steelyard.objective.dpo import DPO
from steelyard.objective.dr_grpo import DrGRPO
from steelyard.objective.grpo import GRPO
from steelyard.objective.gspo import GSPO
from steelyard.objective.hpt import HPT
from steelyard.objective.ibpo import IBPO
from steelyard.objective.icepop import IcePop
from steelyard.objective.ipo import IPO
from steelyard.objective.kernels import contrast, one_sided, policy_gradient, squared_residual, weighted_likelihood
from steelyard.objective.kimi import Kimi
from steelyard.objective.kto import KTO
from steelyard.objective.learned_z_tb import LearnedZTB
from steelyard.objective.m2po import M2PO
from steelyard.objective.mdpo import MDPO
from steelyard.objective.message_rloo import MessageRLOO
from steelyard.objective.mipo import MIPO
from steelyard.objective.nft import NFT
from steelyard.objective.oapl import OAPL
from steelyard.objective.ppo import PPO
from steelyard.objective.proximal_rloo import ProximalRLOO
from steelyard.objective.reduce import batch_mean, log_ratio, num_prompts, num_samples, sum_steps
from steelyard.objective.reinforce import Reinforce
from steelyard.objective.reinforce_ema import ReinforceEMA
from steelyard.objective.rloo import RLOO
from steelyard.objective.sao import SAO
from steelyard.objective.self_certain_grpo import SelfCertainGRPO
from steelyard.objective.sft import SFT
from steelyard.objective.step_kto import StepKTO
from steelyard.objective.sub_tb import SubTB
from steelyard.objective.tba_prime import TBAPrime
from steelyard.objective.tis import TIS
from steelyard.objective.tokenbuncher import TokenBuncher
from steelyard.objective.topr import TOPR
from steelyard.objective.unified import Unified
from steelyard.objective.vargrad_tb import VarGradTB
from steelyard.objective.vcpo import VCPO
from steelyard.objective.weighted_tb import WeightedTB

__all__ = [
    "CANON",
    "CGPO",
    "CISPO",
    "CODPO",
    "CRPG",
    "CRRAFT",
    "DPO",
    "GRPO",
    "GSPO",
    "HPT",
    "IBPO",
    "IPO",
    "KTO",
    "M2PO",
    "MDPO",
    "MIPO",
    "NFT",
    "OAPL",
    "PPO",
    "RLOO",
    "SAO",
    "SFT",
    "TIS",
    "TOPR",
    "VCPO",
    "AsymmetricReinforce",
    "BatchWide",
    "DecoupledPPO",
    "DrGRPO",
    "IcePop",
    "Kimi",
    "LearnedZTB",
    "MessageRLOO",
    "Objective",
    "ProximalRLOO",
    "Reinforce",
    "ReinforceEMA",
    "ScalesRate",
    "SelfCertainGRPO",
    "StatefulObjective",
    "StepKTO",
    "SubTB",
    "TBAPrime",
    "TokenBuncher",
    "Unified",
    "VarGradTB",
    "WeightedTB",
    "WithChosenLikelihood",
    "batch_mean",
    "centred",
    "contrast",
    "log_ratio",
    "num_prompts",
    "num_samples",
    "one_sided",
    "policy_gradient",
    "reward_of",
    "squared_residual",
    "sum_steps",
    "weighted_likelihood",
]
