"""Labelled claims with critiques, to tune a judge on: steelyard train fence-critic --rows F --generator TEACHER."""

from steelyard.data import FenCECritic
from steelyard.data.job import Building

RECIPE = Building(builder=FenCECritic())
