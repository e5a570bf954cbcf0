"""Named runs, and `train`, which carries one out."""

from steelyard.recipes.catalogue import load, names, study
from steelyard.recipes.training import Result, train

__all__ = ["Result", "load", "names", "study", "train"]
