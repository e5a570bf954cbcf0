"""A model's own answers less what is wrong in them: steelyard train halt --rows f.jsonl --generator DIR --judge J."""

from steelyard.data import HALT
from steelyard.data.job import Building

RECIPE = Building(builder=HALT())
