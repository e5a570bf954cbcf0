"""New questions on skills that a model misses, from your own rows: steelyard train stat-syn --rows f.jsonl."""

from steelyard.data import STATSyn
from steelyard.data.job import Building

RECIPE = Building(builder=STATSyn())
