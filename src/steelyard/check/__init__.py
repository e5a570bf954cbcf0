"""The conformance suite: what every method must do, as plain functions that anyone can run on a method of their own."""

from steelyard.check.docstring import help_of
from steelyard.check.kinds import KINDS, Kind, check_method, checks_for, kinds_of
from steelyard.check.method import METHOD_CHECKS
from steelyard.check.objective import OBJECTIVE_CHECKS, check_objective
from steelyard.check.outcome import Outcome, outcome, random_batch
from steelyard.check.rooms import import_rooms, room_names
from steelyard.check.verdict import Check, CheckResult, UnmetError, demand, run_checks

__all__ = [
    "KINDS",
    "METHOD_CHECKS",
    "OBJECTIVE_CHECKS",
    "Check",
    "CheckResult",
    "Kind",
    "Outcome",
    "UnmetError",
    "check_method",
    "check_objective",
    "checks_for",
    "demand",
    "help_of",
    "import_rooms",
    "kinds_of",
    "outcome",
    "random_batch",
    "room_names",
    "run_checks",
]
