"""Figures in a page of prose: what stands between `<!-- bench:PART -->` and `<!-- end -->` is written anew, no more."""

import re
from collections.abc import Sequence
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.experiments.bench.record import BenchRecord
from steelyard.experiments.harness.table import Cells, markdown
from steelyard.runtime.run_dir.disk import put, reading, writing

Table = tuple[Sequence[str], Cells]
"""Columns and lines."""
_END = "<!-- end -->"


def check_page(page: Path, parts: Sequence[str]) -> None:
    """Refuse a page that has not one block for each of these parts: before hours of measuring, not after.

    Raises:
        SteelyardError: it has not, or cannot be read.
    """
    text = _read(page)
    for part in parts:
        _span(text, part, page)


def write_block(page: Path, record: BenchRecord, table: Table) -> None:
    """Put a part's table into its block.

    Raises:
        SteelyardError: the page has no such block, or cannot be read or written.
    """
    text = _read(page)
    start, end = _span(text, record.part, page)
    with writing(page, SteelyardError):
        put(page, (text[:start] + "\n" + block(record, table) + text[end:]).encode())


def block(record: BenchRecord, table: Table) -> str:
    """The table in Markdown, the command below it, and when and where it ran."""
    columns, lines = table
    rows = markdown(columns, lines, ["---", *["---:"] * (len(columns) - 1)])
    return f"{rows}\n\n`{record.command}`: {record.date}, {record.machine}; {record.seconds / 60:.1f} minutes.\n"


def _read(page: Path) -> str:
    with reading(page, "name a page that has a block for each part"):
        return page.read_text(encoding="utf-8")


def _span(text: str, part: str, page: Path) -> tuple[int, int]:
    """Where the block's contents begin and end."""
    begin = f"<!-- bench:{part} -->"
    found = [*re.finditer(re.escape(begin), text)]
    end = text.find(_END, found[0].end()) if len(found) == 1 else -1
    nested = end >= 0 and "<!-- bench:" in text[found[0].end() : end]
    require(end >= 0 and not nested, f"has not one block {begin} ... {_END}", where=str(page), hint="write it there")
    return found[0].end(), end
