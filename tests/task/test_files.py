"""Files of rows: where each row stands, and what is not read at all."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steelyard.core import SteelyardError
from steelyard.reward.wire_values import unfit
from steelyard.task import files
from steelyard.task.files import read_rows


def test_jsonl_rows_are_named_by_their_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  {"a": "\xc3\xa9\\u2028"}')
    assert read_rows(str(path)) == [("line 1", {"a": 1}), ("line 3", {"a": "é\u2028"})]


@pytest.mark.parametrize("row", ['"a": 1, "a": 2', '"b": [{"a": 1, "a": 1}]', '"a": NaN, "b": 1, "a" : NaN'])
def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": "\\":", "b": {{"a": 1}}}}\n{{{row}}}\n')
    with pytest.raises(SteelyardError, match=r"rows.jsonl, line 2: the key 'a' stands twice; leave one of them out"):
        read_rows(str(path))


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


COLUMNS = {
    "nanoseconds": (pa.array([10**18 + 123456000], pa.timestamp("ns")), datetime(2001, 9, 9, 1, 46, 40, 123456)),
    "zone": (pa.array([0], pa.timestamp("us", "UTC")), datetime(1970, 1, 1, tzinfo=UTC)),
    "date": (pa.array([1], pa.date32()), date(1970, 1, 2)),
    "time": (pa.array([5000], pa.time64("ns")), time(0, 0, 0, 5)),
    "duration": (pa.array([5000], pa.duration("ns")), timedelta(microseconds=5)),
    "nested": (pa.array([[{"a": 1000}]], pa.list_(pa.struct({"a": pa.duration("ns")}))), [{"a": timedelta(0, 0, 1)}]),
    "decimal": (pa.array([Decimal("1.10")], pa.decimal128(38, 2)), Decimal("1.10")),
    "unsigned": (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
    "bytes": (pa.array([b"\xff"]), b"\xff"),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), [("a", 1)]),
    "dictionary": (pa.array(["a"]).dictionary_encode(), "a"),
    "infinity": (pa.array([-math.inf]), -math.inf),
    "null": (pa.nulls(1), None),
}  # fmt: skip


def test_every_type_of_parquet_is_read_and_can_be_sent(tmp_path):
    pq.write_table(pa.table({name: column for name, (column, _) in COLUMNS.items()}), tmp_path / "rows.parquet")
    ((_, row),) = read_rows(str(tmp_path / "rows.parquet"))
    assert row == {name: value for name, (_, value) in COLUMNS.items()}
    assert unfit(row) is None


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([1000, 1001], pa.timestamp("ns")), "would lose data"),
        (pa.array([0, 2**30], pa.date32()), "cannot be read"),
        (pa.array([0, 2**62], pa.duration("ms")), "cannot be read"),
    ],
)
def test_a_value_that_python_has_not_is_named_by_row_and_column(tmp_path, column, says):
    pq.write_table(pa.table({"fine": [1, 2], "when": column}), tmp_path / "rows.parquet")
    with pytest.raises(SteelyardError, match=rf"rows.parquet, row 2: column 'when' .*{says}"):
        read_rows(str(tmp_path / "rows.parquet"))


def test_two_columns_of_one_name(tmp_path):
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(SteelyardError, match="two columns are called 'a'"):
        read_rows(str(tmp_path / "rows.parquet"))


def test_what_python_writes_is_read_though_it_is_not_json(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": NaN, "b": [-Infinity], "c": 1}\n')
    ((_, row),) = read_rows(str(tmp_path / "rows.jsonl"))
    assert math.isnan(row.pop("a"))
    assert row == {"b": [-math.inf], "c": 1}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1, "b": [1e999]}', r"column 'b' holds a number out of range \(1e999\)"),
        ('{"a": 1, "b": ' + "9" * 5000 + "}", "column 'b' holds a number out of range"),
        (r'{"a": 1, "b": {"c": "\ud800"}}', "column 'b' holds half a character"),
    ],
)
def test_what_no_value_is_for_is_named_by_line_and_column(tmp_path, line, says):
    (tmp_path / "rows.jsonl").write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(SteelyardError, match=f"line 2: {says}"):
        read_rows(str(tmp_path / "rows.jsonl"))


def test_integers_of_any_size_are_read_exactly(tmp_path):
    (tmp_path / "rows.jsonl").write_text(f'{{"a": {10**30}, "b": [{-(2**64)}]}}')
    assert read_rows(str(tmp_path / "rows.jsonl")) == [("line 1", {"a": 10**30, "b": [-(2**64)]})]
