"""Forgetting by corrupted prompts: steelyard train eco --model DIR --forget f.jsonl --retain r.jsonl."""

from steelyard.unlearn import ECO
from steelyard.unlearn.intervention_job import ForgetByIntervention

RECIPE = ForgetByIntervention(forgetting=ECO())
