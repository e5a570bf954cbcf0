"""What the functions of a class are annotated with: how classes with functions of one name are told apart."""

import inspect
import typing


def gives(cls: type, name: str) -> type:
    """The class that a method of it is annotated to return; `object` where there is none."""
    found = hints(cls, name).get("return")
    return found if isinstance(found, type) else object


def hints(cls: type, name: str) -> dict[str, object]:
    """The annotations of a function of the class, in order."""
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    function = None if owner is None else inspect.getattr_static(owner, name)
    try:
        return typing.get_type_hints(function) if inspect.isfunction(function) else {}
    except NameError:  # an annotation of something that was never imported says nothing
        return {}
