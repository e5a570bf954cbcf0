"""Parses the words of a command line into settings, by tyro."""

import contextlib
import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from steelyard.cli import parse_errors
from steelyard.core import SteelyardError, require, suggest

T = TypeVar("T")

RunDirectory = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
"""Directory of a run, as the first word after a command."""

REWARD = "--reward"
_LISTED = 20
"""Names that a message lists."""


def parse(
    cls: type[T], words: Sequence[str], *, command: str, default: T | None = None, description: str | None = None
) -> T:
    """Settings of type `cls`; unknown words are refused.

    Args:
        cls: the settings.
        words: the command line, after `command`.
        command: the words between `steelyard` and `words`.
        default: settings to start from.
        description: start of the help text; by default the docstring of `cls`.

    Raises:
        SteelyardError: an option or word is unknown, has no value, or one of the wrong type or range.
        SystemExit: --help was given and the help text has been printed.
    """
    box = io.StringIO()
    text = f"{description or inspect.getdoc(cls)}\n\nAlso --json and --debug, as steelyard --help explains."
    options: dict[str, Any] = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                cls,
                args=list(words),
                prog=f"steelyard {command}",
                description=text,
                config=(tyro.conf.AvoidSubcommands,),
                **options,
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise parse_errors.read(box.getvalue(), command) from end


def choose(words: Sequence[str], known: Mapping[str, str], *, command: str, what: str, purpose: str) -> str:
    """The first word, which must name one of `known`.

    Args:
        words: the command line, after the command.
        known: name -> a one-line description.
        command: the command.
        what: placeholder of the word in messages, in capitals.
        purpose: start of the help text.

    Raises:
        SteelyardError: it is missing or unknown.
        SystemExit: --help came first and the help text has been printed.
    """
    if words and words[0] in ("-h", "--help"):
        width = max(map(len, known))
        print(f"usage: steelyard {command} {what} [OPTIONS]\n\n{purpose}\n\n{what} is one of:")
        print("\n".join(f"  {name:<{width}}  {line}" for name, line in known.items()))
        print(f"\nsteelyard {command} {what} --help lists its options, each with its default.")
        raise SystemExit(0)
    if not words or words[0].startswith("-"):
        found = f", which comes first; found {words[0]}" if words else ""
        raise SteelyardError(f"{what} is missing{found}", where=command, hint=f"name one of {_some(known, command)}")
    if words[0] not in known:
        raise SteelyardError(f"unknown {what} {words[0]!r}", where=command, hint=suggest(words[0], known))
    return words[0]


def _some(known: Mapping[str, str], command: str) -> str:
    """The known names; of a long list the first, and where the others are."""
    names = list(known)
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])}, ... (all: steelyard {command} --help)"


def take_flags(words: Sequence[str], wanted: Callable[[str], bool]) -> tuple[list[tuple[str, str]], list[str]]:
    """Each wanted flag with its value, "" where none follows, and the words that are left."""
    found: list[tuple[str, str]] = []
    rest: list[str] = []
    reading = iter(words)
    for word in reading:
        flag, joined, value = word.partition("=")
        if wanted(flag):
            found.append((flag, value if joined else next(reading, "")))
        else:
            rest.append(word)
    return found, rest


def take_values(words: Sequence[str], *flags: str) -> tuple[list[tuple[str, str]], list[str]]:
    """As `take_flags`, for these flags.

    Raises:
        SteelyardError: one has no value.
    """
    found, rest = take_flags(words, flags.__contains__)
    for flag, value in found:
        if not value or value.startswith("--"):
            raise SteelyardError("has no value", where=flag, hint=f"write {flag} VALUE")
    return found, rest


def gather_rewards(words: Sequence[str], *flags: str) -> list[str]:
    """The words with every `--reward WORD` as one `--reward WORD WORD ...`, which is how tyro reads several.

    Args:
        words: the command line.
        flags: further flags that are given several times.

    Raises:
        SteelyardError: one has no value.
    """
    rest = list(words)
    for flag in (REWARD, *flags):
        found, rest = take_lists(rest, flag)
        for values in found:
            require(bool(values) and all(values), "has no value", where=flag, hint=f"write {flag} VALUE")
        rest += [flag, *(value for values in found for value in values)] if found else []
    return rest


def take_lists(words: Sequence[str], flag: str) -> tuple[list[list[str]], list[str]]:
    """The values after a flag, up to the next one, each time that it is given, and the words that are left."""
    found: list[list[str]] = []
    rest: list[str] = []
    taking = rest
    for word in words:
        name, joined, value = word.partition("=")
        if word.startswith("--"):
            taking = rest
        if name == flag:
            taking = []
            found.append(taking)
            taking += [value] if joined else []
        else:
            taking.append(word)
    return found, rest
