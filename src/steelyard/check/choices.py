"""A method with each of its choices: a setting that is one of several words is tried with every one of them."""

import dataclasses
import typing

from steelyard.core import Card, SteelyardError, settings


def literals(cls: type) -> dict[str, tuple[object, ...]]:
    """Setting -> the values that it is one of, for those that are annotated so."""
    if not dataclasses.is_dataclass(cls):
        return {}
    hints = typing.get_type_hints(cls)
    kinds = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    return {name: typing.get_args(kind) for name, kind in kinds.items() if typing.get_origin(kind) is typing.Literal}


def choices(subject: object) -> list[tuple[str, object]]:
    """Each choice but the default, as `setting=value`, with the method that has it.

    A choice that the method refuses without other settings is left out.
    """
    cls = subject.cls if isinstance(subject, Card) else subject
    default = cls() if isinstance(cls, type) else cls
    found: list[tuple[str, object]] = []
    for name, values in literals(type(default)).items():
        for value in values:
            if value != getattr(default, name):
                try:
                    chosen = type(default)(**{**settings(default), name: value})
                except SteelyardError:
                    continue
                found.append((f"{name}={value}", chosen))
    return found
