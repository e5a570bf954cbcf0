"""A guessing game over several turns: find a number among 15 by halving, where the base model mostly counts.

The task is `guessing` (its page has the rules): four guesses, each answered by higher or lower. The base model ships
with the package: it knows how to halve the range, and mostly counts up or guesses at random.
Known exactly: halving finds every number; a player who ignores the answers finds at most 26.7 %.
Source: none, this world is ours.
"""

from steelyard.task import Guessing
from steelyard.worlds.shipped_base import shipped_base
from steelyard.worlds.text_world import TextWorld

WORLD = TextWorld(
    lambda seed: Guessing(), lambda task, seed: shipped_base("steelyard/guessing"), max_tokens=4, learning_rate=1e-3
)
