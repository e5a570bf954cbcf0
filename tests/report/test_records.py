"""Rows come back as written; torn and foreign files are told apart."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.report import read_rows, read_run

values = st.none() | st.floats(allow_nan=False) | st.text() | st.dictionaries(st.text(), st.integers())
rows_of = st.lists(st.dictionaries(st.text(), values), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=rows_of, cut=st.integers(0, 30))
def test_a_file_cut_anywhere_gives_back_its_whole_rows(tmp_path, rows, cut):
    path = tmp_path / "rows.jsonl"
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "surrogatepass")
    kept = data[: max(0, len(data) - cut)]
    path.write_bytes(kept)
    got, torn = read_rows(path)
    assert got == rows[: len(got)]
    whole = kept.count(b"\n")
    # A row that lacks nothing but its newline is whole.
    assert len(got) in (whole, whole + 1)
    assert torn == (len(got) == whole and not kept.endswith(b"\n") and kept != b"")


def test_a_character_cut_in_two_is_a_torn_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"step": 1}\n{"text": "é'.encode()[:-1])
    assert read_rows(path) == ([{"step": 1}], True)


def test_not_a_number_is_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"loss": NaN}\n')
    rows, torn = read_rows(path)
    assert rows[0]["loss"] != rows[0]["loss"] and not torn


def test_no_file_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == ([], False)


@pytest.mark.parametrize("line", ["{torn", "12", "", "[]"])
def test_a_bad_line_in_the_middle_is_named(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(SteelyardError, match="line 2"):
        read_rows(path)


def test_a_run_is_read_whole(make_run):
    directory = make_run(16)
    with (directory / "timing.jsonl").open("a") as file:
        file.write('{"step": 17, "sec')
    (directory / "result.json").unlink()
    run = read_run(directory)
    assert (len(run.metrics), len(run.timing), len(run.evals), len(run.samples)) == (16, 16, 9, 4)
    assert run.torn == ["timing.jsonl"] and run.result is None and run.config["recipe"] == "arithmetic"


def test_foreign_places_are_refused(tmp_path, make_run):
    with pytest.raises(SteelyardError, match="not a directory"):
        read_run(tmp_path / "missing")
    with pytest.raises(SteelyardError, match="not a run directory"):
        read_run(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["Llama"]}')
    with pytest.raises(SteelyardError, match="not a run directory"):
        read_run(tmp_path)
    directory = make_run(4)
    (directory / "result.json").write_text("half of {")
    with pytest.raises(SteelyardError, match=r"result\.json"):
        read_run(directory)
