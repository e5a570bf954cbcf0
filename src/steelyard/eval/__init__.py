"""Measures a policy: accuracy with its interval, pass@k, diversity, style."""

from steelyard.eval.answers import Answer, Decode, Encode, Examiner
from steelyard.eval.estimates import pass_at_k, wilson
from steelyard.eval.held_out import Evaluation, Styled, evaluate

__all__ = ["Answer", "Decode", "Encode", "Evaluation", "Examiner", "Styled", "evaluate", "pass_at_k", "wilson"]
