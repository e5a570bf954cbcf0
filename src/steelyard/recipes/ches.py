"""The pairs that preference tuning can use safely: steelyard train ches --rows pairs.jsonl --reader DIR."""

from steelyard.data import CHES
from steelyard.data.job import Building

RECIPE = Building(builder=CHES())
