"""What is asked: tasks give prompts with ids, split by hash into train and held-out, and score finished episodes."""

from steelyard.task.gym import Gym
from steelyard.task.rows import Rows

__all__ = ["Gym", "Rows"]
