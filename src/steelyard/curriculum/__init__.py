"""Which prompts are searched next."""

from steelyard.curriculum.shuffled import Shuffled, ShuffledWalk

__all__ = ["Shuffled", "ShuffledWalk"]
