"""One encoder for several tasks of labelled texts: steelyard train unified-m2 --model ENCODER --texts tasks.jsonl."""

from steelyard.guard.unified_job import Unifying

RECIPE = Unifying()
