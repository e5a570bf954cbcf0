"""What the numbers that base models are made by may be: checked in one place, so that each is refused in one way."""

from typing import Any

from steelyard.core import require


def check_numbers(recipe: Any, *names: str) -> None:
    """Refuse a number that no training has, by the flag that sets it.

    Args:
        recipe: the settings.
        names: its fields; `learning_rate` and `seed` have ranges of their own, any other is a count.

    Raises:
        SteelyardError: a number is out of range.
    """
    for name in names:
        value = getattr(recipe, name)
        match name:
            case "learning_rate":
                good = 0 < value < 1
                hint = "use a number above 0, below 1"
            case "seed":
                good = 0 <= value < 2**63
                hint = "use 0 to 2^63 - 1"
            case _:
                good = value >= 1
                hint = "use 1 or more"
        require(good, f"is {value}", where=f"--{name.replace('_', '-')}", hint=hint)
