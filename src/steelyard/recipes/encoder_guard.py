"""A guard that is a small encoder, from your own texts: steelyard train encoder-guard --texts t.jsonl."""

from steelyard.guard.encoder_job import FitEncoder

RECIPE = FitEncoder()
