"""Named runs, and `train`, which carries one out."""

from steelyard.recipes.catalogue import load, names, study, summaries
from steelyard.recipes.training import Result, resume, train

__all__ = ["Result", "load", "names", "resume", "study", "summaries", "train"]
