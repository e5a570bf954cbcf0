"""Pairs at the step that goes wrong: steelyard train incorrect-synth --rows F --generator DIR --judge f.py:right."""

from steelyard.data import IncorrectSynth
from steelyard.data.job import Building

RECIPE = Building(builder=IncorrectSynth(), batch_size=8)
