"""Three answers to each of your own prompts, for magic-token: train magic-triples --rows f.jsonl --generator DIR."""

from steelyard.data import MagicTriples
from steelyard.data.job import Building

RECIPE = Building(builder=MagicTriples())
