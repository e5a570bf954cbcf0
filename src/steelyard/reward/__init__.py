"""What an episode is worth: verifiers and reward functions, the risky ones in processes that can be killed."""

from steelyard.reward.answer_check import AnswerCheck, number_of, prompt_text
from steelyard.reward.bradley_terry import BradleyTerry, Pair
from steelyard.reward.causal import CausalRM
from steelyard.reward.company import compares_samples
from steelyard.reward.constrained import Constrained
from steelyard.reward.ctrl_u import CtrlU, Uncertain
from steelyard.reward.curiosity import Curiosity
from steelyard.reward.environments import EnvironmentReward, PlayedScore
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.final_answer import MARKER, Found, find_after_marker
from steelyard.reward.formula import stands_in
from steelyard.reward.function import FunctionReward
from steelyard.reward.given import named_rewards, reward_function
from steelyard.reward.gold import after, gold_of, gold_problem, golds_of
from steelyard.reward.ignite import IGNITE
from steelyard.reward.loved import Loved
from steelyard.reward.math import MathVerify
from steelyard.reward.model import RewardModel
from steelyard.reward.novelty import Novelty
from steelyard.reward.numeral import read_numeral
from steelyard.reward.pool import Closable, Pool
from steelyard.reward.rluf import RLUF
from steelyard.reward.score import score_of, score_of_reply
from steelyard.reward.shop_r1 import ShopR1
from steelyard.reward.spot_checked import SpotChecked
from steelyard.reward.spurious import Spurious
from steelyard.reward.weighted import WeightedRewards

__all__ = [
    "IGNITE",
    "MARKER",
    "RLUF",
    "AnswerCheck",
    "BradleyTerry",
    "CausalRM",
    "Closable",
    "Constrained",
    "CtrlU",
    "Curiosity",
    "EnvironmentReward",
    "ExactAnswer",
    "Found",
    "FunctionReward",
    "Loved",
    "MathVerify",
    "Novelty",
    "Pair",
    "PlayedScore",
    "Pool",
    "RewardModel",
    "ShopR1",
    "SpotChecked",
    "Spurious",
    "Uncertain",
    "WeightedRewards",
    "after",
    "compares_samples",
    "find_after_marker",
    "gold_of",
    "gold_problem",
    "golds_of",
    "named_rewards",
    "number_of",
    "prompt_text",
    "read_numeral",
    "reward_function",
    "score_of",
    "score_of_reply",
    "stands_in",
]
