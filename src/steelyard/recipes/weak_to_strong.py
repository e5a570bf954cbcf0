"""A strong guard from a weak one: steelyard train weak-to-strong --model MODEL --texts t.jsonl --weak GUARD."""

from steelyard.guard.weak_job import Teaching

RECIPE = Teaching()
