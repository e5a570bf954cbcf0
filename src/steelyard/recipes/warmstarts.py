"""The base models that ship with the package, each with the settings that make it again."""

from steelyard.recipes.arithmetic_base import ArithmeticBase
from steelyard.recipes.enumerable_base import EnumerableBase
from steelyard.recipes.preference_base import ShorteningBase, ShorteningProxy

BY_NAME: dict[str, type[ArithmeticBase | EnumerableBase | ShorteningBase | ShorteningProxy]] = {
    "arithmetic": ArithmeticBase,
    "enumerable": EnumerableBase,
    "shortening": ShorteningBase,
    "shortening-proxy": ShorteningProxy,
}
