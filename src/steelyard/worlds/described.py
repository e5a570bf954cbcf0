"""What a setting is, as JSON that is the same in every process: the value part of a cache's key."""

import dataclasses
from collections.abc import Mapping, Sequence, Set

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def described(value: object) -> JsonValue:
    """The value, and for what is no plain value its class with its fields, or a function's name.

    A closure is described by its name alone: what it closes over must enter by itself.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): described(each) for key, each in value.items()}
    if isinstance(value, Set):
        return sorted((described(each) for each in value), key=repr)
    if isinstance(value, Sequence):
        return [described(each) for each in value]
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    own = type(value)
    names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else [*vars(value)]
    return {"is": f"{own.__module__}.{own.__qualname__}", **{name: described(getattr(value, name)) for name in names}}
