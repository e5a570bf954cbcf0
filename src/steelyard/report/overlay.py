"""Several runs on one page: lines of one plot share it, a colour for each run; all else stands side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steelyard.report.blocks import Figure, Section, Table
from steelyard.report.plots import HELD_OUT, LEARNER, OTHER, SEARCHER, Lines, Series

COLORS = (HELD_OUT, LEARNER, SEARCHER, "#CC79A7", "#E69F00", "#56B4E9", OTHER)
"""Of the runs, in their order; an eighth has the first one's."""
Named = tuple[str, Sequence[Section]]
"""A run's name and its sections."""


def short_names(directories: Sequence[Path]) -> list[str]:
    """A name for each run that no other has: as many of its path's last parts as that takes."""
    whole = [directory.resolve().parts for directory in directories]
    for count in range(1, max(map(len, whole), default=0) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{i}: {directory}" for i, directory in enumerate(directories, start=1)]


def overlay(runs: Sequence[Named]) -> list[Section]:
    """The sections of several runs as those of one page; a single run's stay as they are."""
    if len(runs) == 1:
        return list(runs[0][1])
    ids = dict.fromkeys(section.id for _, sections in runs for section in sections)
    return [_merged([(i, name, s) for i, (name, all) in enumerate(runs) for s in all if s.id == id]) for id in ids]


Part = tuple[int, str, Section]
"""Place and name of a run, and its section."""


def _merged(parts: Sequence[Part]) -> Section:
    first = parts[0][2]
    return replace(
        first,
        figures=_figures(parts),
        tables=[_renamed(name, table) for _, name, section in parts for table in section.tables],
        samples=[replace(s, facts=f"{name} · {s.facts}") for _, name, section in parts for s in section.samples],
        commands="\n\n".join(f"# {name}\n{section.commands}" for _, name, section in parts if section.commands),
        note=" ".join(dict.fromkeys(section.note for _, _, section in parts if section.note)),
    )


def _renamed(name: str, table: Table) -> Table:
    return replace(table, caption=f"{name}. {table.caption}", folded=table.folded and f"{name}: {table.folded}")


def _figures(parts: Sequence[Part]) -> list[Figure]:
    found = [(i, name, figure) for i, name, section in parts for figure in section.figures]
    shared = dict.fromkeys(figure.plot.name for _, _, figure in found)
    figures: list[Figure] = []
    for plot in shared:
        same = [(i, name, figure) for i, name, figure in found if figure.plot.name == plot]
        drawn = [(i, name, figure.plot) for i, name, figure in same if isinstance(figure.plot, Lines)]
        figures += (
            [_shared_lines(drawn, _shared_caption(same))] if len(drawn) == len(same) else [_alone(*one) for one in same]
        )
    return figures


def _alone(place: int, name: str, figure: Figure) -> Figure:
    plot = replace(figure.plot, name=f"{figure.plot.name}-{place}", alt=f"{name}: {figure.plot.alt}")
    return Figure(plot, f"{name}. {figure.caption}")


def _shared_caption(same: Sequence[tuple[int, str, Figure]]) -> str:
    """The caption that all have; else each one's, for captions hold a run's numbers."""
    captions = {figure.caption for _, _, figure in same}
    return captions.pop() if len(captions) == 1 else " ".join(f"{name}: {figure.caption}" for _, name, figure in same)


def _shared_lines(drawn: Sequence[tuple[int, str, Lines]], caption: str) -> Figure:
    single = all(len(plot.series) == 1 for _, _, plot in drawn)
    series = [_line(place, name, s, single) for place, name, plot in drawn for s in plot.series]
    alt = " ".join(f"{name}: {plot.alt}" for _, name, plot in drawn)
    return Figure(replace(drawn[0][2], alt=alt, series=series), caption)


def _line(place: int, name: str, series: Series, single: bool) -> Series:
    label = name if single else f"{name}: {series.label}"
    return replace(series, label=label, color=COLORS[place % len(COLORS)])
