"""The base models that ship with the package, each with the settings that make it again."""

from steelyard.core import SteelyardError, suggest
from steelyard.recipes.arithmetic_base import ArithmeticBase
from steelyard.recipes.enumerable_base import EnumerableBase

BY_NAME: dict[str, type[ArithmeticBase] | type[EnumerableBase]] = {
    "arithmetic": ArithmeticBase,
    "enumerable": EnumerableBase,
}


def find(name: str) -> type[ArithmeticBase] | type[EnumerableBase]:
    """The settings class of that name.

    Raises:
        SteelyardError: there is none.
    """
    if name not in BY_NAME:
        raise SteelyardError(f"unknown base model {name!r}", where="warmstart", mend=suggest(name, BY_NAME))
    return BY_NAME[name]
