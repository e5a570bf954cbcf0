"""The long arm: searchers generate all the time and never wait for the learner."""

from steelyard.searcher.logp_mismatch import LogpMismatch
from steelyard.searcher.scoring import attach_score, attach_scores
from steelyard.searcher.searcher import Assignment, Searcher

__all__ = ["Assignment", "LogpMismatch", "Searcher", "attach_score", "attach_scores"]
