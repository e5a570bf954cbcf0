"""Claims checked from a language model's memory: steelyard train lm-fact-check --model MASKED --texts c.jsonl."""

from steelyard.guard.fact_job import FactChecking

RECIPE = FactChecking()
