"""REINFORCE with a bonus for attacks that are unlike the others of their batch, in the red-team world."""

from dataclasses import replace

from steelyard.recipes.named import red_team_reinforce
from steelyard.task import RedTeam

RECIPE = replace(red_team_reinforce.RECIPE, task=RedTeam(scale="mean", novelty=2.0))
