import pytest

from steelyard.core.table import Measure, Table

MEASURES = (Measure("hit", "share", "How often."), Measure("n", "rows", "How many."))
TABLE = Table(MEASURES, (("a, b", (0.5, 2)), ("c", (None, 3))))


def test_numbers_by_name():
    assert TABLE.number("a, b", "hit") == 0.5
    assert TABLE.number("c", "hit") is None
    for names in (("d", "n"), ("c", "m")):
        with pytest.raises(KeyError):
            TABLE.number(*names)


def test_as_csv_and_json():
    assert TABLE.csv() == ',hit (share),n (rows)\n"a, b",0.5,2\nc,,3\n'
    assert TABLE.data() == {
        "columns": {"hit": {"unit": "share", "help": "How often."}, "n": {"unit": "rows", "help": "How many."}},
        "rows": {"a, b": {"hit": 0.5, "n": 2}, "c": {"hit": None, "n": 3}},
    }


@pytest.mark.parametrize(("rows", "message"), [
    ((("a", (1.0, 1)), ("a", (1.0, 1))), "have one name"),
    ((("a", (1.0,)),), "another number of numbers"),
    ((("a", (float("nan"), 1)),), "not finite"),
])  # fmt: skip
def test_what_is_no_table_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Table(MEASURES, rows)
