"""A classifier forgets without labels: steelyard train laf --model CLASSIFIER --texts t.jsonl --forget gone.jsonl."""

from steelyard.guard.laf_job import ForgetTexts

RECIPE = ForgetTexts()
