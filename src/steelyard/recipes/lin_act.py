"""Steering by transport, layer after layer: steelyard train lin-act --model DIR --source s.jsonl --target t.jsonl."""

from steelyard.model import LinAcT
from steelyard.steering import SteeringJob

RECIPE = SteeringJob(steering=LinAcT(), one_by_one=True)
