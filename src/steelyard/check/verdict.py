"""What a check is and what it returns: it raises `UnmetError` on failure; `run_checks` gives a `CheckResult` each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.core import Card, SteelyardError

Check = Callable[[Any], None]
"""Takes an instance of a method; returns nothing if the method conforms, and raises `UnmetError` if not."""

_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, SteelyardError, TypeError, ValueError)


class UnmetError(Exception):
    """A method does not do what the check asks; the message says what it does instead."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    check: str
    """The check's name."""
    passed: bool
    """True where the method conforms."""
    reason: str = ""
    """Why it does not."""
    exemption: str | None = None
    """The reason the method's card gives for not conforming, if it does."""


def demand(condition: bool, what: str) -> None:
    """Raise `UnmetError` unless `condition` holds."""
    if not condition:
        raise UnmetError(what)


def run_checks(checks: Mapping[str, Check], subject: object) -> list[CheckResult]:
    """One result per check, in order; a fault inside the method is a failed check, not an end of the run.

    Args:
        checks: name -> check.
        subject: a card, a class that builds without arguments, or an instance. A class that does not build gets the
            one result `default-constructible`.
    """
    cls = subject.cls if isinstance(subject, Card) else subject
    exemptions = subject.exemptions if isinstance(subject, Card) else {}
    try:
        instance = cls() if isinstance(cls, type) else cls
    except _FAULTS as fault:
        return [CheckResult("default-constructible", False, _said(fault))]
    return [_judge(name, check, instance, exemptions.get(name)) for name, check in checks.items()]


def _judge(name: str, check: Check, instance: object, exemption: str | None) -> CheckResult:
    try:
        check(instance)
    except UnmetError as unmet:
        return CheckResult(name, False, str(unmet), exemption)
    except _FAULTS as fault:
        return CheckResult(name, False, _said(fault), exemption)
    return CheckResult(name, True, "", exemption)


def _said(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"
