"""What an episode is worth: verifiers and reward functions, the risky ones in processes that can be killed."""

from steelyard.reward.constrained import Constrained
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.function import FunctionReward, reward_function
from steelyard.reward.gold import after, gold_of
from steelyard.reward.math import MathVerify
from steelyard.reward.pool import Closable, Pool
from steelyard.reward.score import score_of, score_of_reply

__all__ = [
    "Closable", "Constrained", "ExactAnswer", "FunctionReward", "MathVerify", "Pool", "after", "gold_of",
    "reward_function", "score_of", "score_of_reply",
]  # fmt: skip
