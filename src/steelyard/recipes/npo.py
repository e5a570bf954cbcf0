"""Unlearning by NPO on your own files: steelyard train npo --model DIR --forget f.jsonl --retain r.jsonl."""

from steelyard.unlearn import NPO
from steelyard.unlearn.job import Unlearning

RECIPE = Unlearning(objective=NPO(), epochs=10, batch_size=16, learning_rate=1e-5)
