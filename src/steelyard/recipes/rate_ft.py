"""A detector of claims that are not true, from your own: steelyard train rate-ft --model DIR --texts claims.jsonl."""

from steelyard.guard.claim_job import ClaimTuning

RECIPE = ClaimTuning(epochs=3, batch_size=16, learning_rate=1e-5)
