"""The cells of the frontier study: one axis at a time from one centre, which is lag 1, each sample used once, alone."""

from collections.abc import Sequence
from dataclasses import dataclass

LAGS = (1, 16, 64, 256, 512)
REUSES = (1, 4, 16)
SEARCHERS = (1, 4, 16)
PATIENCE = 4
"""Learner steps of a run are at least so many times its lag."""


@dataclass(frozen=True)
class Cell:
    """Under which conditions an arm learns; each field is an axis of the study."""

    lag: int = 1
    """Versions by which the weights that sample trail the learner's, at the least."""
    reuse: int = 1
    """Learner steps for each searcher batch of the same size."""
    searchers: int = 1
    """Searchers at the same time."""
    ladder: bool = False
    """Each searcher has a temperature of its own; else all are alike."""

    @property
    def name(self) -> str:
        """What is other than at the centre.

        >>> Cell(lag=16).name, Cell(searchers=4, ladder=True).name, Cell().name
        ('lag 16', '4 searchers, ladder', 'lag 1')
        """
        if self.searchers > 1:
            return f"{self.searchers} searchers{', ladder' * self.ladder}"
        return f"reuse {self.reuse}" if self.reuse > 1 else f"lag {self.lag}" if self.lag else "fresh"

    @property
    def label(self) -> str:
        """What stands for it in a run's directory."""
        return f"lag{self.lag}-reuse{self.reuse}-searchers{self.searchers}{'-ladder' * self.ladder}"


CENTRE = Cell()
FRESH = Cell(lag=0)
"""Where an on-policy arm learns, whatever the cell."""


def along(
    lags: Sequence[int] = LAGS, reuses: Sequence[int] = REUSES, searchers: Sequence[int] = SEARCHERS
) -> list[Cell]:
    """The centre, and the cells along each axis; several searchers are alike, or have a ladder of temperatures.

    >>> [cell.label for cell in along((1, 16), (1,), (4,))][1:]
    ['lag16-reuse1-searchers1', 'lag1-reuse1-searchers4', 'lag1-reuse1-searchers4-ladder']
    """
    asked = [*(Cell(lag=n) for n in lags), *(Cell(reuse=n) for n in reuses)]
    asked += [Cell(searchers=n, ladder=ladder) for ladder in (False, True) for n in searchers if n > 1]
    return list(dict.fromkeys([CENTRE, *asked]))
