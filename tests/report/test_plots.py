"""Plots are drawn from what is there, say nothing of what is not, and are safe inside a page."""

import re

import numpy as np
import pytest

from steelyard.report import plots
from steelyard.report.plots import MAX_BARS, Series, smooth
from steelyard.report.svg import draw

ROWS = [{"step": s, "y": 0.1 * s, "z": None, "low": 0.1 * s - 0.05, "high": 0.1 * s + 0.05} for s in range(8)]


def drawn(make):
    """A function of `report.plots` whose plot is drawn."""

    def made(*values, **named):
        plot = make(*values, **named)
        return None if plot is None else draw(plot)

    return made


lines, areas, histogram = map(drawn, (plots.lines, plots.areas, plots.histogram))


def test_a_plot_is_an_svg_with_words_and_own_ids():
    plot = lines("p", 'up & "on"', [Series(ROWS, "y", "why", "#123456", band=("low", "high"))], y="size", share=True)
    assert plot is not None
    assert plot.startswith('<svg viewBox="0 0 ') and plot.rstrip().endswith("</svg>")
    assert 'aria-label="up &amp; &#34;on&#34;"' in plot and ">size</text>" in plot and ">60%</text>" in plot
    assert "http" not in plot and "metadata" not in plot
    assert all(id.startswith("p-") for id in re.findall(r'\bid="([^"]*)"', plot))
    assert all(
        link.startswith("p-") for link in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', plot) for link in link if link
    )


def test_empty_series_are_left_out():
    assert lines("p", "", [Series(ROWS, "z", "nothing", "#000")], y="") is None
    assert lines("p", "", [Series([], "y", "nothing", "#000")], y="") is None
    both = lines("p", "", [Series(ROWS, "y", "drawn", "#000"), Series(ROWS, "z", "nothing", "#000")], y="")
    assert both is not None and "nothing" not in both
    two = lines("p", "", [Series(ROWS, "y", "one", "#000"), Series(ROWS, "low", "two", "#111")], y="")
    assert two is not None and ">one</text>" in two and ">two</text>" in two


def test_a_legend_shows_the_bold_line_not_the_faint_one():
    rows = [{"step": s, "y": float(s % 7), "z": 1.0} for s in range(100)]
    plot = lines("p", "", [Series(rows, "y", "one", "#aa0000"), Series(rows, "z", "two", "#00aa00", "--")], y="")
    assert plot is not None
    legend = plot[plot.index('id="p-legend') :]
    assert "#aa0000" in legend and "#00aa00" in legend and "opacity" not in re.sub("opacity: 0.8", "", legend)


def test_smooth_by_hand():
    assert smooth(np.array([0, 10, 20, 30, 40.0])) == pytest.approx([10, 15, 20, 25, 30])
    assert smooth(np.array([0, np.nan, 20, 30, 40.0])) == pytest.approx([10, 50 / 3, 22.5, 30, 30])
    gone = smooth(np.array([1.0] + [np.nan] * 6))
    assert np.isfinite(gone).tolist() == [True] * 3 + [False] * 4
    assert smooth(np.full(400, 3.0)) == pytest.approx(np.full(400, 3.0))


def test_areas_fold_what_no_colour_is_left_for():
    names = [f"s{i}" for i in range(9)]
    rows = [{"step": s, "k": dict.fromkeys(names, 1 / 9)} for s in range(3)]
    plot = areas("p", "", rows, "k", names)
    assert plot is not None and ">s5</text>" in plot and ">other</text>" in plot and ">s6</text>" not in plot
    seven = areas("p", "", rows, "k", names[:7])
    assert seven is not None and ">s6</text>" in seven and ">other</text>" not in seven
    assert areas("p", "", rows[:1], "k", names) is None


def test_a_style_name_is_text_not_mathematics_and_not_markup():
    rows = [{"step": s, "k": {"_$x^$ <b>": 1.0}} for s in range(2)]
    plot = areas("p", "", rows, "k", ["_$x^$ <b>"])
    assert plot is not None and "$x^$ &lt;b&gt;</text>" in plot


def test_a_histogram_has_a_bar_for_each_number_until_there_are_too_many():
    few = histogram("p", "", {0: 3, 2: 5}, x="age", y="uses")
    assert few is not None and few.count('id="p-patch') == 2 + 3 + 2  # page, axes, bars for 0, 1, 2, two spines
    many = histogram("p", "", dict.fromkeys(range(1000), 1), x="age", y="uses")
    assert many is not None and many.count('id="p-patch') == 4 + MAX_BARS
    assert histogram("p", "", {}, x="", y="") is None


def test_one_plot_drawn_twice_is_the_same():
    again = [lines("p", "", [Series(ROWS, "y", "y", "#000", band=("low", "high"))], y="y") for _ in range(2)]
    assert again[0] == again[1]
