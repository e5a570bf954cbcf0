"""The sections of a page as values for JSON, in the amounts that a screen can show."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from steelyard.core.json import JsonObject
from steelyard.report.blocks import Figure, Section, Table
from steelyard.report.plots import SHARES, Areas, Bars, Lines, Plot, Series

MAX_POINTS = 400
"""Of a line: more than the pixels it has on most screens."""
MAX_CELL = 2000
"""Characters of a cell of a table."""


def section_values(section: Section) -> JsonObject:
    """A section as plain values."""
    return {
        "id": section.id,
        "title": section.title,
        "half": section.half,
        "figures": [figure_values(figure) for figure in section.figures],
        "tables": [_table(table) for table in section.tables],
        "samples": [asdict(sample) for sample in section.samples],
        "commands": section.commands,
        "note": section.note,
    }


def figure_values(figure: Figure) -> JsonObject:
    """A plot and its caption as plain values."""
    return {"caption": figure.caption, "name": figure.plot.name, "alt": figure.plot.alt, **_plot(figure.plot)}


def _plot(plot: Plot) -> Mapping[str, object]:
    if isinstance(plot, Lines):
        return {
            "kind": "lines",
            "x": plot.x,
            "y": plot.y,
            "share": plot.share,
            "series": [_line(s) for s in plot.series],
        }
    if isinstance(plot, Areas):
        return {"kind": "areas", "x": "learner step", "y": plot.y, "share": True, **_stacks(plot)}
    assert isinstance(plot, Bars)
    bars = {"lefts": plot.lefts.tolist(), "heights": plot.heights.tolist(), "width": plot.width}
    return {"kind": "bars", "x": plot.x, "y": plot.y, "share": False, **bars}


def _line(series: Series) -> JsonObject:
    x = series.xs()
    y, faint = series.curve()
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).astype(int))
    ends = {} if series.band is None else {"low": series.ys(series.band[0]), "high": series.ys(series.band[1])}
    columns = {"at": x, "values": y, **ends} | ({} if faint is None else {"faint": faint})
    drawn = {name: _numbers(column[chosen]) for name, column in columns.items()}
    return {"label": series.label, "color": series.color.lower(), "dash": series.dash, **drawn}


def _stacks(plot: Areas) -> JsonObject:
    shares = [[float(share) for share in stack] for stack in plot.stacks]
    colors = [SHARES[i % len(SHARES)].lower() for i in range(len(shares))]
    return {"at": _numbers(plot.x), "labels": list(plot.labels), "stacks": shares, "colors": colors}


def _numbers(column: np.ndarray) -> list[float | None]:
    """JSON knows no NaN: a gap is null."""
    return [value if math.isfinite(value) else None for value in column.tolist()]


def _table(table: Table) -> JsonObject:
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return {"head": _cells(table.head), "rows": rows, "caption": table.caption, "of": table.of, "folded": table.folded}


def _cells(cells: Sequence[object]) -> list[str]:
    return [_cell(cell) for cell in cells]


def _cell(cell: object) -> str:
    text = str(cell)
    more = len(text) - MAX_CELL
    return text if more <= 0 else f"{text[:MAX_CELL]}… ({more:,} more characters)"
