"""The headline of a run's held-out evaluations against step, drawn in characters for plain terminals."""

from collections.abc import Sequence
from pathlib import Path

from steelyard.report.format import is_number
from steelyard.report.measures import Write, headline_of
from steelyard.report.records import Row, read_run


def curve_text(run: Path | Sequence[Row], *, width: int = 60, height: int = 10) -> str:
    """A plot of `width` x `height` characters and one line of numbers below it.

    ● is the measurement, │ its 95% interval. What is drawn is the first of `measures.HEADLINES` that the rows have.

    Args:
        run: a run directory, or rows of its eval.jsonl.
        width: columns of the plotting area.
        height: rows of the plotting area.

    Raises:
        SteelyardError: the path is not a run directory.
    """
    rows = read_run(run).evals if isinstance(run, Path) else run
    found = headline_of(rows)
    if found is None:
        return " nothing was measured on held-out prompts yet"
    key, title, write, known = found
    return "\n".join([f" {title}", *_plot(known, key, write, width, height), _summary(known, key, write)])


def _plot(rows: Sequence[Row], key: str, write: Write, width: int, height: int) -> list[str]:
    first = min(row["step"] for row in rows)
    last = max(row["step"] for row in rows)
    top = _top(max(_end(row, key, "high") for row in rows))
    cells = [[" "] * width for _ in range(height)]

    def line(value: float) -> int:
        return min(height - 1, max(0, round((1 - value / top) * (height - 1))))

    for row in rows:
        column = round((row["step"] - first) / max(1, last - first) * (width - 1))
        for place in range(line(_end(row, key, "high")), line(_end(row, key, "low")) + 1):
            cells[place][column] = "│" if cells[place][column] == " " else cells[place][column]
        cells[line(float(row[key]))][column] = "●"
    labels = {line(top * part): write(top * part) for part in (0.0, 0.5, 1.0)}
    body = [f"{labels.get(i, ''):>8} {'┤' if i in labels else '│'}{''.join(cells[i]).rstrip()}" for i in range(height)]
    ends = f"{first:<{max(1, width - len(str(last)))}}{last}" if last > first else str(first)
    return [*body, " " * 9 + "└" + "─" * width, " " * 10 + ends + "  step"]


def _end(row: Row, key: str, end: str) -> float:
    """One end of the interval, or the value itself where none was recorded."""
    value = row.get(f"{key}_{end}")
    return float(value if is_number(value) else row[key])


def _top(highest: float) -> float:
    """The least of some round numbers that holds the highest value."""
    return next((top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= top), highest)


def _summary(rows: Sequence[Row], key: str, write: Write) -> str:
    before = rows[0]
    after = rows[-1]
    text = f" {write(before[key])} at step {before['step']} -> {write(after[key])} at step {after['step']}"
    if f"{key}_low" in after:
        text += f" (95% interval {write(after[f'{key}_low'])} to {write(after[f'{key}_high'])})"
    return text
