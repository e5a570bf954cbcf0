"""Long lines folded between words, for terminals. What goes to a pipe or a file keeps its lines: programs read them."""

import shutil
import sys
import textwrap
from typing import Any


def fold(line: str, width: int, indent: int = 2) -> str:
    """The line, folded between words where it is longer than `width`; a longer word, such as a path, stays whole.

    What continues it stands `indent` spaces further right than its begin, and two more.
    """
    if len(line) <= width:
        return line
    begin = " " * (len(line) - len(line.lstrip()) + indent + 2)
    return textwrap.fill(line, width, subsequent_indent=begin, break_long_words=False, break_on_hyphens=False)


def say(text: str) -> None:
    """Print lines on standard error, folded where that is a terminal."""
    _print(text, sys.stderr)


def say_out(text: str, indent: int = 2) -> None:
    """Print lines on standard output, folded where that is a terminal."""
    _print(text, sys.stdout, indent)


def _print(text: str, file: Any, indent: int = 2) -> None:
    if file.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(fold(line, width, indent) for line in text.split("\n"))
    print(text, file=file, flush=True)
