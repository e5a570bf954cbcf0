"""`steelyard check my_module:MyObjective`: the conformance suite, on a method of one's own or on a registered one."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from steelyard.check import KINDS, CheckResult, check_method, import_rooms, kinds_of
from steelyard.cli.flags import parse
from steelyard.cli.sanitize import plain
from steelyard.core import SteelyardError, cards, find, suggest

BROKEN = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a module with a mistake in it raises when it is imported."""


@dataclass(frozen=True)
class Check:
    """Check that a method does what every method of its kind must do: one line for each check.

    The kind is read from its shape: an objective is called on a Batch, a reward on a Sequence[Episode], and so on; the
    annotations say so. Exit code 0 if it passes all checks, but for those that its card excuses it from; 1 if not.
    """

    method: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODULE:CLASS")]
    """A class in a module that can be imported from here, such as my_module:MyObjective; or the id of a method."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Run the checks of the method's kinds; the answer's exit code is 1 if any fails."""
    asked = parse(Check, words, command="check")
    import_rooms()
    cls = _class_of(asked.method) if ":" in asked.method else find(asked.method).cls
    kinds = [kind.name for kind in kinds_of(cls)]
    card = next((card for card in cards() if card.cls is cls), None)
    if not kinds and card is None:
        raise SteelyardError(
            f"it is of no kind of method that is known ({', '.join(kind.name for kind in KINDS)})",
            where=asked.method,
            hint="give it the shape of one of these, with annotations, as docs/add-a-method.md shows",
        )
    results = check_method(card or cls)
    print(f"{asked.method}: {' and '.join(kinds) or 'a method'}")
    for result in results:
        print(_line(result))
    wrong = sum(map(_wrong, results))
    # What does not conform may not even run, so it is not measured.
    figures = [] if wrong else [line for kind in kinds_of(cls) for line in kind.figures(cls())]
    for line in figures:
        print(f"  {plain(line)}")
    print(f"{len(results)} checks, {wrong or 'none'} failed")
    return {
        "method": asked.method,
        "kinds": kinds,
        "checks": [
            {"check": r.check, "passed": r.passed, "reason": r.reason, "exemption": r.exemption} for r in results
        ],
        "figures": figures,
        "exit_code": int(wrong > 0),
    }


def _wrong(result: CheckResult) -> bool:
    """An exemption is strict: a check that is passed in spite of it is a fault of the card."""
    return result.passed == (result.exemption is not None)


def _line(result: CheckResult) -> str:
    word = "FAILED" if _wrong(result) else "exempt" if result.exemption else "passed"
    said = f"its card excuses it, and it passes: {result.exemption}" if result.passed and result.exemption else ""
    why = plain(said or result.exemption or result.reason)
    return f"  {word}  {result.check:<22} {why}".rstrip()


def _class_of(name: str) -> type:
    """The class that `module:name` names; the working directory is searched first."""
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path[:1]:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except BROKEN as error:
        what = f"it cannot be imported ({type(error).__name__}: {error})"
        raise SteelyardError(what, where=f"module {module_name!r}", hint="run where it can be imported") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise SteelyardError(f"has no class {attribute!r}", where=module_name, hint=suggest(attribute, classes))
    return found
