"""A guard that forgets rows exactly: steelyard train acu --model MODEL --texts t.jsonl --forget gone.jsonl."""

from steelyard.guard.acu_job import Analysis

RECIPE = Analysis()
