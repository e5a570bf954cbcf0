"""A first guard from your own texts, without any model: steelyard train bag-guard --texts t.jsonl."""

from steelyard.guard.bag_job import FitBag

RECIPE = FitBag()
