"""REINFORCE with a bonus for attacks that are unlike the others of their batch, in the red-team world.

The bonus, the learning rate and beta are the best of twenty settings, by families found at a success of at least .9.
"""

from dataclasses import replace

from steelyard.objective import Reinforce
from steelyard.recipes import red_team_reinforce
from steelyard.task import RedTeam

RECIPE = replace(
    red_team_reinforce.RECIPE,
    task=RedTeam(scale="mean", novelty=2.0),
    objective=Reinforce(beta=0.1),
    learning_rate=1e-3,
)
