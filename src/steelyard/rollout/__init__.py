"""Engines: prompts in, trajectories with behaviour log-probabilities out, stamped with the weights that made them."""

from steelyard.rollout.engine import TransformersEngine

__all__ = ["TransformersEngine"]
