"""Rationales learned beside what they find: steelyard train kard --path f.jsonl --knowledge k.jsonl --model DIR."""

from steelyard.data.kard import KARD
from steelyard.training.knowledge_job import KnowledgeTuning

RECIPE = KnowledgeTuning(kard=KARD(), epochs=3, batch_size=16, learning_rate=1e-4)
