"""What `bench growth` measures in one buffer, how it writes it, and that the plot is there."""

import json

import pytest

from steelyard.cli import main
from steelyard.experiments.bench import growth

ROWS = [
    {"size": size, **{key: [size / 1e6, size / 1e6] for key in growth.COSTS}, "resident_mib": [1.0], "bytes": [500.0]}
    for size in (1000, 100_000)
]


def test_a_table_by_hand():
    """Costs of 1 ms and 100 ms at 10^3 and 10^5: they grow as the size does, to the power of 1."""
    columns, lines = growth.table(ROWS)
    assert len({len(columns), *map(len, lines)}) == 1
    assert lines[0][:2] == ["1,000", "1 ms"] and lines[1][:2] == ["100,000", "100 ms"]
    assert lines[2][1 : 1 + len(growth.COSTS)] == ["1.00"] * len(growth.COSTS)
    assert len(growth.table(ROWS[:1])[1]) == 1


@pytest.mark.parametrize(("seconds", "said"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4e-6, "4 us")])
def test_a_span_has_the_unit_that_reads_best(seconds, said):
    assert growth._span(seconds) == said


def test_the_plot_has_a_line_for_each_cost(tmp_path):
    growth.draw(ROWS, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.timeout(300)
@pytest.mark.long  # processes for every size
def test_a_small_buffer_end_to_end(tmp_path, capsys):
    words = ["--sizes", "300", "600", "--runs", "1", "--output-dir", str(tmp_path), "--json"]
    assert main(["bench", "growth", *words]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["parts"]["growth"]["rows"]
    assert [row["size"] for row in rows] == [300, 600]
    assert all(row[key][0] > 0 for row in rows for key in growth.COSTS)
    assert all(400 < row["bytes"][0] < 4000 for row in rows)
    assert (tmp_path / "growth.png").is_file()


def test_too_small_a_buffer_to_draw_from_is_refused(tmp_path, capsys):
    assert main(["bench", "growth", "--sizes", "100", "--output-dir", str(tmp_path / "new")]) == 2
    assert "--sizes" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
