"""Steering: interventions are fitted to texts, and a model is measured with them. Its weights stay as they are."""

from steelyard.steering.job import SteeringJob

__all__ = ["SteeringJob"]
