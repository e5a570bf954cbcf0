"""The conformance suite: what every method must do, as plain functions that anyone can run on a method of their own."""

from steelyard.check.method import METHOD_CHECKS
from steelyard.check.objective import OBJECTIVE_CHECKS, check_objective
from steelyard.check.outcome import Outcome, outcome, random_batch
from steelyard.check.verdict import Check, UnmetError, Verdict, demand, run_checks

__all__ = [
    "METHOD_CHECKS", "OBJECTIVE_CHECKS", "Check", "Outcome", "UnmetError", "Verdict", "check_objective", "demand",
    "outcome", "random_batch", "run_checks",
]  # fmt: skip
