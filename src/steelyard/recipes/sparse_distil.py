"""A fast guard from a slow one: steelyard train sparse-distil --texts t.jsonl --teacher RUN --unlabelled u.jsonl."""

from steelyard.guard.distil_job import Distilling

RECIPE = Distilling()
