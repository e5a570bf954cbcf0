"""Steering by a mean shift on own texts: steelyard train mean-shift --model DIR --source s.jsonl --target t.jsonl."""

from steelyard.model import MeanShift
from steelyard.steering import SteeringJob

RECIPE = SteeringJob(steering=MeanShift())
