"""Steering learned end to end on own texts: steelyard train lineas --model DIR --source s.jsonl --target t.jsonl."""

from steelyard.model import LinEAS
from steelyard.steering import SteeringJob

RECIPE = SteeringJob(steering=LinEAS())
