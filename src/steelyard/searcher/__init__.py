"""The long arm: searchers generate all the time and never wait for the learner."""

from steelyard.searcher.logp_mismatch import Parity
from steelyard.searcher.scoring import judged, scored
from steelyard.searcher.searcher import Assignment, Scorer, Searcher

__all__ = ["Assignment", "Parity", "Scorer", "Searcher", "judged", "scored"]
