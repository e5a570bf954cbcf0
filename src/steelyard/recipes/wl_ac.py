"""A guard from weak labels and a few strong ones: steelyard train wl-ac --texts t.jsonl --weak GUARD --budget 200."""

from steelyard.training.labelling_job import BuyLabels

RECIPE = BuyLabels()
