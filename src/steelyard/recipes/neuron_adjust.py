"""Forgetting a skill at inference: steelyard train neuron-adjust --model DIR --forget f.jsonl --retain r.jsonl."""

from steelyard.unlearn import NeuronAdjust
from steelyard.unlearn.intervention_job import ForgetByIntervention

RECIPE = ForgetByIntervention(forgetting=NeuronAdjust())
