"""A guard that abstains where it has seen nothing alike: steelyard train sdm --model MODEL --texts t.jsonl."""

from steelyard.guard.sdm_job import Selecting

RECIPE = Selecting()
