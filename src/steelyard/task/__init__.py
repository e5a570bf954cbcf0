"""What is asked: tasks give prompts with ids, split by hash into train and held-out, and score finished episodes."""

from steelyard.task.addends import Addends
from steelyard.task.arithmetic import Arithmetic
from steelyard.task.attack import Attack
from steelyard.task.chains import Chains
from steelyard.task.domains import Domains
from steelyard.task.enumerable import Enumerable
from steelyard.task.facts import Facts
from steelyard.task.grammar import Grammar
from steelyard.task.gym import Gym
from steelyard.task.habits import Habits
from steelyard.task.judged_rows import JudgedRows
from steelyard.task.loophole import Loophole
from steelyard.task.red_team import RedTeam
from steelyard.task.rows import Rows
from steelyard.task.safety import ToySafety
from steelyard.task.scratchpad import Scratchpad
from steelyard.task.shortening import Shortening

__all__ = [
    "Addends",
    "Arithmetic",
    "Attack",
    "Chains",
    "Domains",
    "Enumerable",
    "Facts",
    "Grammar",
    "Gym",
    "Habits",
    "JudgedRows",
    "Loophole",
    "RedTeam",
    "Rows",
    "Scratchpad",
    "Shortening",
    "ToySafety",
]
