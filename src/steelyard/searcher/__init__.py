"""The long arm: searchers generate all the time and never wait for the learner."""

from steelyard.searcher.parity import Parity
from steelyard.searcher.searcher import Assignment, Scorer, Searcher
from steelyard.searcher.verdict import judged, scored

__all__ = ["Assignment", "Parity", "Scorer", "Searcher", "judged", "scored"]
