"""Executes a `Run`, a job or a pipeline: preflight, dry run, run directory, resume."""

from steelyard.training.train import Result, resume, train

__all__ = ["Result", "resume", "train"]
