"""REINFORCE in the red-team world, paid the less the more an attack is like all those before it: curiosity.

Differs: REINFORCE where the paper has PPO, and one weight for both similarities; see the reward `curiosity`. Rate and
beta are those of `red-team-novelty`; they are tuned in the study `red-team-families`, for 64 families.
Source: Hong et al. 2024, arXiv:2402.19464.
"""

from dataclasses import replace

from steelyard.recipes import red_team_novelty
from steelyard.task import RedTeam

RECIPE = replace(red_team_novelty.RECIPE, task=RedTeam(scale="mean", curiosity=1.0, entropy=0.01))
