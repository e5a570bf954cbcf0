"""Entailment pairs from your own rows with classes: steelyard train efl --rows f.jsonl."""

from steelyard.data import EFL
from steelyard.data.job import Building

RECIPE = Building(builder=EFL())
