"""What a study shows: a table, a picture, and claims that can fail, all read from its run directories.

A study of `recipes.studies` that the results page holds has, beside `Study` and `measure`, a function
`section(root: Path) -> Section`. `root` is the study's directory: each run in a directory of its label. It reads those
and trains nothing, so the page can be made again from kept runs alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.experiments.harness.sweep import show


@dataclass(frozen=True)
class Claimed:
    """A claim, what was measured, and whether that shows it."""

    text: str
    measured: str
    shown: bool

    @property
    def verdict(self) -> str:
        """`shown` or `not shown`."""
        return "shown" if self.shown else "not shown"


@dataclass(frozen=True)
class Section:
    """A study's part of the results page."""

    title: str
    text: str
    """What was run and what is equal between the arms; one or two paragraphs of markdown."""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    claims: Sequence[Claimed] = ()
    paper: Sequence[Sequence[str]] = ()
    """The paper's own numbers, under columns that the first row names; empty where it gives none."""
    draw: Callable[[Path], None] | None = field(default=None, repr=False)
    """Draws the picture into a PNG file."""

    def print(self) -> None:
        """The table, the verdicts and the paper's numbers, on standard output."""
        show(self.title, self.columns, self.rows)
        for claim in self.claims:
            print(f"{claim.text}: {claim.measured}: {claim.verdict}")
        if self.paper:
            show("in the paper", self.paper[0], self.paper[1:])

    @property
    def shown(self) -> bool:
        """True where every claim is shown."""
        return all(claim.shown for claim in self.claims)
