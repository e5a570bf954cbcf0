"""What is asked: tasks give prompts with ids, split by hash into train and held-out, and score finished episodes."""

from steelyard.task.arithmetic import Arithmetic
from steelyard.task.chains import Chains
from steelyard.task.domains import Domains
from steelyard.task.enumerable import Enumerable
from steelyard.task.facts import Facts
from steelyard.task.grammar import Grammar
from steelyard.task.gym import Gym
from steelyard.task.habits import Habits
from steelyard.task.loophole import Loophole
from steelyard.task.rows import Rows
from steelyard.task.safety import ToySafety
from steelyard.task.scratchpad import Scratchpad

__all__ = [
    "Arithmetic",
    "Chains",
    "Domains",
    "Enumerable",
    "Facts",
    "Grammar",
    "Gym",
    "Habits",
    "Loophole",
    "Rows",
    "Scratchpad",
    "ToySafety",
]
