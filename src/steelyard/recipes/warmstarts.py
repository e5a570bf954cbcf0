"""The base models that ship with the package, each with the settings that make it again."""

from steelyard.recipes.arithmetic_base import ArithmeticBase
from steelyard.recipes.enumerable_base import EnumerableBase

BY_NAME: dict[str, type[ArithmeticBase] | type[EnumerableBase]] = {
    "arithmetic": ArithmeticBase,
    "enumerable": EnumerableBase,
}
