"""Curricula: which prompts are sampled next."""

from steelyard.curriculum.data_mixing_agent import DataMixingAgent
from steelyard.curriculum.dump import Dump
from steelyard.curriculum.shuffled import Shuffled, ShuffledWalk
from steelyard.curriculum.skill_it import SkillIt
from steelyard.curriculum.stat import STAT
from steelyard.curriculum.ucb1 import UCB1
from steelyard.curriculum.ucboost import UCBoost

__all__ = ["STAT", "UCB1", "DataMixingAgent", "Dump", "Shuffled", "ShuffledWalk", "SkillIt", "UCBoost"]
