"""Files of rows: where each row stands, and what is not read at all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steelyard.core import SteelyardError
from steelyard.task import files
from steelyard.task.files import read_rows


def test_jsonl_rows_are_named_by_their_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  {"a": "\xc3\xa9\\u2028"}')
    assert read_rows(str(path)) == [("line 1", {"a": 1}), ("line 3", {"a": "é\u2028"})]


def test_parquet_rows_are_counted_across_batches(tmp_path):
    path, numbers = tmp_path / "rows.parquet", list(range(2500))
    pq.write_table(pa.table({"a": numbers, "b": [[n] for n in numbers]}), path, row_group_size=700)
    rows = read_rows(str(path))
    assert rows == [(f"row {n + 1}", {"a": n, "b": [n]}) for n in numbers]


def test_a_line_may_be_long_but_not_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST", 20)
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": "{"x" * 11}"}}\n')
    assert len(read_rows(str(path))) == 1
    path.write_text(f'{{"a": 1}}\n{{"a": "{"x" * 12}"}}\n')
    with pytest.raises(SteelyardError, match=r"rows.jsonl, line 2: it has 21 bytes, and a row at most 20; write one"):
        read_rows(str(path))


def test_a_text_of_a_parquet_file_may_be_long_but_not_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST", 20)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": ["x" * 20], "b": [b"x" * 20]}), path)
    assert len(read_rows(str(path))) == 1
    for column in ("a", "b"):
        pq.write_table(pa.table({"a": ["x", "x" * 20], "b": [b"x", b"x" * 20], column: ["", "x" * 21]}), path)
        with pytest.raises(SteelyardError, match=rf"rows.parquet, row 2: column '{column}' is longer than 20; shorten"):
            read_rows(str(path))


def test_text_that_is_none_is_found_at_any_depth(tmp_path):
    path, bad = tmp_path / "rows.parquet", pa.array([b"\xe9"], pa.binary()).view(pa.string())
    nested = pa.StructArray.from_arrays([pa.array([1]), bad], ["n", "text"])
    for column in (bad, nested, pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), nested)):
        pq.write_table(pa.table({"fine": ["é"], "bad": column}), path)
        with pytest.raises(SteelyardError, match=r"rows 1 to 1: column 'bad' is damaged: .*UTF8.*; write the column"):
            read_rows(str(path))
