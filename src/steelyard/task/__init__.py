"""What is asked: tasks give prompts with ids, split by hash into train and held-out, and score finished episodes."""

from steelyard.task.arithmetic import Arithmetic
from steelyard.task.attack import Attack
from steelyard.task.calculator import Calculator
from steelyard.task.enumerable import Enumerable
from steelyard.task.guessing import Guessing
from steelyard.task.gym import Gym
from steelyard.task.judged_rows import JudgedRows
from steelyard.task.red_team import RedTeam
from steelyard.task.rlvr import RLVR
from steelyard.task.rows import Rows
from steelyard.task.shortening import Shortening
from steelyard.task.simplerl_zoo import SimpleRLZoo
from steelyard.task.spoc import SPOC
from steelyard.task.taskset import Taskset
from steelyard.task.text_game import TextGame
from steelyard.task.tools import Tools
from steelyard.task.ufo import UFO
from steelyard.task.unscored import Unscored

__all__ = [
    "RLVR",
    "SPOC",
    "UFO",
    "Arithmetic",
    "Attack",
    "Calculator",
    "Enumerable",
    "Guessing",
    "Gym",
    "JudgedRows",
    "RedTeam",
    "Rows",
    "Shortening",
    "SimpleRLZoo",
    "Taskset",
    "TextGame",
    "Tools",
    "Unscored",
]
