"""The base models that ship with the package, each with the settings that make it again."""

from steelyard.recipes.arithmetic_base import ArithmeticBase
from steelyard.recipes.enumerable_base import EnumerableBase
from steelyard.recipes.preference_base import ShorteningBase, ShorteningProxy
from steelyard.recipes.red_team_base import RedTeamBase, RedTeamVictim

BY_NAME: dict[str, type[ArithmeticBase | EnumerableBase | RedTeamBase | ShorteningBase | ShorteningProxy]] = {
    "arithmetic": ArithmeticBase,
    "enumerable": EnumerableBase,
    "red-team": RedTeamBase,
    "red-team-victim": RedTeamVictim,
    "shortening": ShorteningBase,
    "shortening-proxy": ShorteningProxy,
}
