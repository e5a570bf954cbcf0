"""The conditions that the ablations share, chosen so that the settings can matter.

At the recipe's learning rate nearly every setting reaches 99 %. Twice that, and half its batch, is the edge of what
trajectory balance bears here: old data, a small beta or a late weight can then be seen in the accuracy.
"""

from dataclasses import replace

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.recipes import arithmetic, enumerable
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, VirtualClock

STEPS = 80
REPLAY = PrioritizedReplay(recent_probability=0.5, warmup=256)
"""The buffer of `SUMS`."""
SUMS = replace(
    arithmetic.RECIPE,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
    replay=REPLAY,
    learning_rate=2e-4,
    num_prompts=16,
    search_prompts=16,
    max_steps=STEPS,
    save_steps=0,
    evaluation=HeldOut(every=8, prompts=256, sampled_prompts=32),
)
"""`arithmetic`, one searcher batch for each learner step."""
SUMS_TEXT = """\
`arithmetic`, 80 steps of 16 prompts x 8 completions at learning rate 2e-4: twice the recipe's, with half its batch, for
at the recipe's own settings nearly everything reaches 99 %. Inline; a searcher batch of the same size for each learner
step. "Late" is the last third of the evaluations (256 prompts, greedy)."""
"""Of them, for a page."""
LISTED = replace(
    enumerable.RECIPE,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
    optimizer=Adam(schedule=WarmupStableDecay(warmup=20, stable=60, decay=120)),
    num_generations=64,
    max_steps=200,
    save_steps=0,
    evaluation=HeldOut(every=20, prompts=2, sampled_prompts=1, samples=1),
)
"""`enumerable`, a third of its recipe's steps with half of its batch."""
