"""Evaluate a policy: accuracy with its interval, pass@k, diversity, style, exact distance to the target."""

from steelyard.eval.answers import Answer, Decode, Encode, Examiner
from steelyard.eval.drift import drift
from steelyard.eval.estimates import pass_at_k, wilson
from steelyard.eval.exact import Listable, Rewarded, exact_distance
from steelyard.eval.experts_dont_cheat import ExpertsDontCheat
from steelyard.eval.held_out import Evaluation, Styled, TaskWithMetrics, evaluate
from steelyard.eval.model_task_alignment import ModelTaskAlignment
from steelyard.eval.must_hallucinate import MustHallucinate
from steelyard.eval.palimpsestic import Palimpsestic

__all__ = [
    "Answer",
    "Decode",
    "Encode",
    "Evaluation",
    "Examiner",
    "ExpertsDontCheat",
    "Listable",
    "ModelTaskAlignment",
    "MustHallucinate",
    "Palimpsestic",
    "Rewarded",
    "Styled",
    "TaskWithMetrics",
    "drift",
    "evaluate",
    "exact_distance",
    "pass_at_k",
    "wilson",
]
