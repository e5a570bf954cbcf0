"""Episodes made by hand."""

from episodes import answered

__all__ = ["answered"]
