"""Runtime type checks at a fraction of the cost: the axes of a call are compared only where a signature has axes.

The import hook of jaxtyping decorates every function with `jaxtyping.jaxtyped`, which binds the arguments and opens a
scope for axis letters at each call, although most signatures have no array in them. `install` puts `checked` in its
place: a signature with an array keeps jaxtyping's own decorator, every other one is checked by beartype alone. All that
was checked before is still checked.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ForwardRef, get_args

import jaxtyping

_whole = jaxtyping.jaxtyped


def install() -> None:
    """From now on, the import hook decorates with `checked`. Call it before a module is imported by the hook."""
    jaxtyping.jaxtyped = checked


def checked(fn: Any = None, *, typechecker: Callable[..., Any]) -> Any:
    """The decorator, for what the import hook decorates: functions and classes."""
    if fn is None:
        return lambda later: checked(later, typechecker=typechecker)
    if inspect.isclass(fn):
        if dataclasses.is_dataclass(fn) and "__init__" in vars(fn) and not hasattr(fn.__init__, "__wrapped__"):
            fn.__init__ = checked(fn.__init__, typechecker=typechecker)
        return fn
    whole = not inspect.isfunction(fn) or any(map(has_axes, fn.__annotations__.values()))
    return _whole(fn, typechecker=typechecker) if whole else typechecker(fn)


def has_axes(annotation: Any) -> bool:
    """True for an array of jaxtyping, for what contains one, and for text, which is left to jaxtyping to read."""
    if isinstance(annotation, str | ForwardRef):
        return True
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    inner = annotation if isinstance(annotation, list) else get_args(annotation)
    return any(map(has_axes, inner))
