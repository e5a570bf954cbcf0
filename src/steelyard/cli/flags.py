"""Flags to settings by tyro, with its multi-line complaints folded into the one line that steelyard promises."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import TypeVar

import tyro

from steelyard.core import SteelyardError

T = TypeVar("T")


def parse(cls: type[T], arguments: Sequence[str], *, command: str, default: T | None = None) -> T:
    """Settings of type `cls` from flags.

    Raises:
        SteelyardError: a flag is unknown or its value is of the wrong type.
        SystemExit: help was asked for and has been printed.
    """
    complaint, program = io.StringIO(), f"steelyard {command}"
    config = (tyro.conf.AvoidSubcommands,)
    try:
        with contextlib.redirect_stderr(complaint):
            if default is None:
                return tyro.cli(cls, args=list(arguments), prog=program, config=config)
            return tyro.cli(cls, args=list(arguments), prog=program, config=config, default=default)
    except SystemExit as end:
        if not end.code:
            raise
        raise SteelyardError(_fold(complaint.getvalue()), where=program, mend=f"see {program} --help") from end


def _fold(box: str) -> str:
    """The words inside tyro's boxes, up to its pointer to the help text."""
    lines = [re.sub(r"[│╭╰╮╯─]+", " ", line).strip() for line in box.splitlines()]
    words = " ".join(line for line in lines if line)
    return re.split(r"For full helptext|Argument helptext", words)[0].strip()


def first(arguments: Sequence[str], *, command: str, what: str, known: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The leading positional argument, and the rest.

    Raises:
        SteelyardError: it is missing.
        SystemExit: only help was asked for, and has been printed.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"usage: steelyard {command} {what} [OPTIONS]")
        if known:
            print(f"\n{what} is one of: {', '.join(known)}\n\nsteelyard {command} {what} --help lists its options.")
        raise SystemExit(0)
    if not arguments or arguments[0].startswith("-"):
        mend = f"name one of {', '.join(known)}" if known else f"write steelyard {command} {what}"
        raise SteelyardError(f"{what} is missing", where=f"steelyard {command}", mend=mend)
    return arguments[0], list(arguments[1:])
