"""What is asked: tasks give prompts with ids, split by hash into train and held-out, and score finished episodes."""

from steelyard.task.arithmetic import Arithmetic
from steelyard.task.enumerable import Enumerable
from steelyard.task.gym import Gym
from steelyard.task.rows import Rows

__all__ = ["Arithmetic", "Enumerable", "Gym", "Rows"]
