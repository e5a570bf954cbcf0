"""Sums of four numbers with four ways to work them out: a skill that the shipped model has and rarely uses.

The task is `arithmetic` (its page has the forms): the base model, which ships with the package, mostly guesses, and now
and then works the answer out in one of four ways, then nearly always rightly. It is what `steelyard train arithmetic`
begins with, so a proof here speaks of what users see first; for a rarer skill, known exactly, take `latent-skill`.
Known exactly: the answer; which way a completion took (`style`).
Source: none, this world is ours.
"""

from steelyard.task import Arithmetic
from steelyard.worlds.shipped_base import shipped_base
from steelyard.worlds.text_world import TextWorld

WORLD = TextWorld(
    lambda seed: Arithmetic(problems=2048, held_out=256, data_seed=seed),
    lambda task, seed: shipped_base("steelyard/arithmetic"),
    max_tokens=20,
)
