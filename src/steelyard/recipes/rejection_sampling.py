"""The best of K answers to each prompt: train rejection-sampling --rows f.jsonl --generator DIR --judge J."""

from steelyard.data import RejectionSampling
from steelyard.data.job import Building

RECIPE = Building(builder=RejectionSampling())
"""The judge is a function, or a reward model: --judge reward-model:RUN."""
