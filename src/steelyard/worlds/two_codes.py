"""Two codes whose answers often break off: a task that a base model is aligned with, and one that it is not.

Differs: no paper, this world is ours.

    P(sample right) = (1 - broken) share^3       known: share .9; unknown: share .28

    fad=     the problem: write these signs in the code of their alphabet, as in `habits`
    bce      right: each sign in the code
    bae      a habit at the second place
    bc       broken off: the last sign is missing, as in half of the answers that a base model is shown

Problems, codes, habits and the score are those of `habits` with two domains: 0 is known, 1 unknown. `FORMAT` is that of
a whole answer, right or wrong. In the known domain most samples say the right sign at each place, in the unknown one
they say the habit; so a majority vote and the model's confidence point to the right answer in the one alone.
"""

from steelyard.core import derive, rng
from steelyard.policy import Policy
from steelyard.worlds.habits import CHARACTERS, Habits
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

KNOWN = 0
UNKNOWN = 1
FORMAT = "[a-zA-Z]{3}"
BROKEN = 0.5
"""Share of the answers shown that break off."""


def task(seed: int) -> Habits:
    """The two domains of a seed."""
    return Habits(shares=(0.9, 0.28), data_seed=seed)


def base(task: Habits, seed: int, steps: int = 400, broken: float = BROKEN) -> Policy:
    """A model of both codes as it was shown them, whose answers break off as often."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=48, context=16)
    shown = task.shown(12000, seed)
    breaks = rng(seed, "two-codes", "breaks").random(len(shown)) < broken
    pairs = [(text, answer[:-1] if cut else answer) for (text, answer), cut in zip(shown, breaks, strict=True)]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=8e-3, seed=seed)
    return policy


WORLD = TextWorld(task, base, max_tokens=5, learning_rate=5e-4)
