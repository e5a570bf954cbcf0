"""What a study shows: a table, a picture, and claims that can fail, all read from its run directories.

A module of `experiments.studies` that the results page holds has, beside `Study` and `measure`, a function
`section(root: Path) -> Section`. `root` is the study's directory, with each run in a directory of its label. The
function reads those and trains nothing, so the page can be made again from kept runs alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.experiments.harness.claim import Judgement
from steelyard.experiments.harness.table import Cells, show
from steelyard.report.folding import say_out


@dataclass(frozen=True)
class Section:
    """A study's part of the results page."""

    title: str
    text: str
    """What was run and what is equal between the arms; one or two paragraphs of markdown."""
    columns: Sequence[str]
    rows: Cells
    claims: Sequence[Judgement] = ()
    paper: Cells = ()
    """The paper's own numbers, under columns that the first row names; empty where it gives none."""
    draw: Callable[[Path], None] | None = field(default=None, repr=False)
    """Draws the picture into a PNG file."""

    def print(self) -> None:
        """The table, the verdicts and the paper's numbers, on standard output."""
        show(self.title, self.columns, self.rows)
        for claim in self.claims:
            say_out(f"{claim.text}: {claim.measured}: {claim.verdict}")
        if self.paper:
            show("in the paper", self.paper[0], self.paper[1:])

    @property
    def shown(self) -> bool:
        """True where every claim is shown."""
        return all(claim.shown for claim in self.claims)
