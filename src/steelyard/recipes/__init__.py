"""Named runs, and `train`, which carries one out."""

from steelyard.recipes.catalogue import load, names, study, summaries
from steelyard.recipes.training import Result, train

__all__ = ["Result", "load", "names", "study", "summaries", "train"]
