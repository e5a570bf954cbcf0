"""What a section of a page holds, as plain values; `templates/blocks.html.jinja` turns them into HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steelyard.report.plots import Plot
from steelyard.report.svg import draw


@dataclass(frozen=True)
class Figure:
    """A plot with the sentence that explains it."""

    plot: Plot
    caption: str

    @property
    def svg(self) -> Markup:
        """The plot drawn, as an `<svg>` element."""
        return draw(self.plot)


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    head: Sequence[object]
    rows: Sequence[Sequence[object]]
    caption: str
    of: str = "numbers"
    """CSS class: "numbers" are aligned right and never wrap, "words" are aligned left and do."""
    folded: str = ""
    """The words that open the table on a click; empty shows it at once."""


@dataclass(frozen=True)
class Sample:
    """One trajectory."""

    facts: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class Section:
    """A titled card. Its parts appear in the order of the fields."""

    id: str
    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[Sample] = ()
    commands: str = ""
    note: str = ""
    half: bool = False
    """Half as wide on a wide screen."""


def figure(plot: Plot | None, caption: str) -> Figure | None:
    """A plot with its caption; None where there is no plot."""
    return None if plot is None else Figure(plot, caption)


def wide(id: str, title: str, figures: Sequence[Figure | None], *tables: Table) -> Section | None:
    """A section with figures side by side; None where there is nothing to show."""
    shown = [drawn for drawn in figures if drawn is not None]
    return Section(id, title, shown, tables) if shown or tables else None


def half(id: str, title: str, drawn: Figure | None) -> Section | None:
    """A section of one figure, half as wide; None without it."""
    return None if drawn is None else Section(id, title, [drawn], half=True)
