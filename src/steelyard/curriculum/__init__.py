"""Curricula: which prompts are sampled next."""

from steelyard.curriculum.dump import Dump
from steelyard.curriculum.shuffled import Shuffled, ShuffledWalk
from steelyard.curriculum.ucb1 import UCB1
from steelyard.curriculum.ucboost import UCBoost

__all__ = ["UCB1", "Dump", "Shuffled", "ShuffledWalk", "UCBoost"]
