"""Forgetting a skill at inference: steelyard train skill-unlearn --model DIR --forget f.jsonl --retain r.jsonl."""

from steelyard.unlearn import KeySpaceDetection
from steelyard.unlearn.intervention_job import ForgetByIntervention

RECIPE = ForgetByIntervention(forgetting=KeySpaceDetection())
