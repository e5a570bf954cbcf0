"""The long arm: searchers generate all the time and never wait for the learner."""

from steelyard.searcher.searcher import Assignment, Scorer, Searcher, scored

__all__ = ["Assignment", "Scorer", "Searcher", "scored"]
