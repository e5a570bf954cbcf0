"""An encoder guard where harm is rare: steelyard train dice-loss --texts t.jsonl; --loss focal and others beside it."""

from steelyard.guard.encoder_job import FitEncoder

RECIPE = FitEncoder(loss="dice")
