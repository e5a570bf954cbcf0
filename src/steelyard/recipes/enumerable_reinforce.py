"""The control: REINFORCE on r - beta log(pi/pi_ref), no ratio and no baseline, on-policy in the enumerable world."""

from dataclasses import replace

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import Reinforce
from steelyard.recipes import enumerable
from steelyard.replay import SingleUse
from steelyard.runtime import VirtualClock

RECIPE = replace(
    enumerable.RECIPE,
    objective=Reinforce(beta=0.15),
    replay=SingleUse(capacity=4),
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
    learning_rate=1e-3,
    optimizer=Adam(schedule=WarmupStableDecay(warmup=20, stable=130, decay=1350)),
    max_steps=1500,
)
