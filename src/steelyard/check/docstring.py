"""Checks of a method's documentation: its docstring, and a line of help below each setting."""

import ast
import dataclasses
import inspect
import itertools
import re
import sys
import textwrap

from steelyard.check.verdict import demand
from steelyard.core import Dataclass


def text_of(method: Dataclass) -> str:
    """The docstrings of its module and its class."""
    cls = type(method)
    return f"{inspect.getdoc(sys.modules[cls.__module__])}\n{inspect.getdoc(cls)}"


def sourced(method: Dataclass) -> None:
    """The docstring of its module or class has an equation (or example, with a `=`) and a source, or says: no paper."""
    text = text_of(method)
    demand(re.search(r"^ {4}.*=", text, re.M) is not None, "no equation (an indented line with =) in the docstring")
    found = re.search(r"(^|\. )Source: |\b[nN]o paper\b", text, re.M)
    demand(found is not None, "no line 'Source: ...' in the docstring (where there is none, say: no paper)")


def documented(method: Dataclass) -> None:
    """The same, and a shapes legend."""
    sourced(method)
    demand(
        re.search(r"\bP prompts\b", text_of(method)) is not None, "no shapes legend (P prompts, ...) in the docstring"
    )


def settings_explained(method: Dataclass) -> None:
    """Below each setting stands a text that says what it is: the command line and the catalogue show it."""
    known = help_of(type(method))
    silent = [f.name for f in dataclasses.fields(method) if f.init and not known.get(f.name)]
    demand(not silent, f"no line of help below {', '.join(silent)}")


def help_of(cls: type) -> dict[str, str]:
    """Setting -> the text below its line in the class, or in a class that it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except OSError:  # made by a program: there is no text to read
            continue
        (tree,) = ast.parse(source).body
        for line, below in itertools.pairwise(getattr(tree, "body", ())):
            match line, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found
