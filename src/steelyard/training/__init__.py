"""Executes a `Run`: preflight, dry run, run directory, resume."""

from steelyard.training.train import Result, resume, train

__all__ = ["Result", "resume", "train"]
