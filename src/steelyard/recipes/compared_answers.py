"""Pairs of a model's own answers: train compared-answers --rows f.jsonl --generator DIR --judge J."""

from steelyard.data import ComparedAnswers
from steelyard.data.job import Building

RECIPE = Building(builder=ComparedAnswers())
