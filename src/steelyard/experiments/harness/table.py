"""Tables: in Markdown for pages, and on the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steelyard.experiments.harness.spread import NEVER, NOT_MEASURED

Cells = Sequence[Sequence[str]]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[str] | None = None) -> str:
    """A table in Markdown.

    Args:
        head: names of the columns.
        rows: cells.
        align: `---` or `---:` for each column; by default all stand left.
    """
    every = [head, align or ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in every)


def numbers_right(rows: Cells) -> list[str] | None:
    """The alignment in which columns of numbers stand right; None where there are no rows."""
    return ["---:" if all(map(_is_number, column)) else "---" for column in zip(*rows, strict=True)] or None


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-.")[:1].isdigit() or cell in (NEVER, NOT_MEASURED, "")


def show(title: str, columns: Sequence[str], rows: Cells) -> None:
    """Print a table on standard output."""
    table = Table(title=escape(title), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")  # no name is cut
    for row in rows:
        table.add_row(*row)
    Console().print(table)
