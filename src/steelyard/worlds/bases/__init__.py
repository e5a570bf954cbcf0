"""The base models that ship with the package, each with the settings that make it again; and one widened for others."""

from steelyard.worlds.bases.arithmetic import ArithmeticBase
from steelyard.worlds.bases.calculator import CalculatorBase
from steelyard.worlds.bases.enumerable import EnumerableBase
from steelyard.worlds.bases.guessing import GuessingBase
from steelyard.worlds.bases.preference import ShorteningBase, ShorteningProxy
from steelyard.worlds.bases.red_team import RedTeamBase, RedTeamVictim
from steelyard.worlds.bases.wide_heads import WideHeads

Base = (
    ArithmeticBase
    | CalculatorBase
    | EnumerableBase
    | GuessingBase
    | RedTeamBase
    | ShorteningBase
    | ShorteningProxy
    | WideHeads
)
BY_NAME: dict[str, type[Base]] = {
    "arithmetic": ArithmeticBase,
    "calculator": CalculatorBase,
    "enumerable": EnumerableBase,
    "guessing": GuessingBase,
    "red-team": RedTeamBase,
    "red-team-victim": RedTeamVictim,
    "shortening": ShorteningBase,
    "shortening-proxy": ShorteningProxy,
    "wide-heads": WideHeads,
}
