"""Tables: in Markdown for pages, and on the terminal."""

import shutil
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steelyard.experiments.harness.spread import NEVER, NOT_MEASURED
from steelyard.report.folding import fold

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
    """Print a table on standard output, in the width of the terminal, or of COLUMNS: no cell is cut or broken.

    A table that is wider is printed in parts, each with the first column. Where a cell alone is long, as a claim's
    words are, each row is a paragraph instead: its first cell, and a line for each other one that is not empty.
    """
    width = shutil.get_terminal_size().columns
    print(fold(title, width))
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    if _width(widths) > width and max(widths) > _LONG:
        _show_paragraphs(columns, rows, width)
        return
    for part in _parts(widths, width):
        table = Table()
        for i in part:
            table.add_column(columns[i], justify="left" if i == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*(Text(row[i]) for i in part))
        Console(width=width).print(table)


_LONG = 32
"""Characters of a cell that is shown in a line of its own where the table is too wide."""


def _width(widths: Iterable[int]) -> int:
    """Columns of a table with cells so wide: two spaces and a border for each."""
    return 1 + sum(width + 3 for width in widths)


def _parts(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each part: the first one, and as many others as have room."""
    parts: list[list[int]] = [[0]]
    for i in range(1, len(widths)):
        if len(parts[-1]) > 1 and _width(widths[j] for j in [*parts[-1], i]) > width:
            parts.append([0])
        parts[-1].append(i)
    return parts


def _show_paragraphs(columns: Sequence[str], rows: Cells, width: int) -> None:
    lead = max(map(cell_len, columns[1:]))
    for first, *others in rows:
        print(f"\n{fold(first, width)}")
        for column, cell in zip(columns[1:], others, strict=True):
            if cell:
                print(fold(f"  {column:<{lead}}  {cell}", width, lead))
    print()
