import json

import pytest

from steelyard.core import SteelyardError
from steelyard.data import Origin, Record, ancestors, built, records_of, row_of


def read(*rows):
    return records_of((f"f.jsonl, line {i}", row) for i, row in enumerate(rows, start=1))


def origin(*sources, **changes):
    return Origin(sources, {"method": "efl"}, **{"seed": 0, **changes})


def test_an_id_is_of_the_content_and_equal_rows_count_up():
    one, two, again = read({"a": 1, "b": "x"}, {"a": 2}, {"b": "x", "a": 1})
    assert one.id != two.id
    assert again.id == f"{one.id}-2"
    assert one.origin is None


def test_what_was_built_differs_by_all_that_made_it():
    made = [
        built({"a": 1}, origin("s")),
        built({"a": 2}, origin("s")),
        built({"a": 1}, origin("t")),
        built({"a": 1}, origin("s", seed=1)),
        built({"a": 1}, origin("s", number=1)),
        built({"a": 1}, origin("s", asked={"generator": "g"})),
    ]
    assert len({record.id for record in made}) == len(made)
    assert built({"a": (1, 2)}, origin("s")) == built({"a": [1, 2]}, origin("s"))


def test_a_file_gives_back_records_with_their_origin():
    source = read({"a": 1})[0]
    made = built({"b": 2}, origin(source.id, asked={"judge": "j"}))
    rows = [json.loads(json.dumps(row_of(record))) for record in (source, made)]
    assert read(*rows) == [source, made]
    assert rows[1]["record"]["sources"] == [source.id]


def test_ancestors_go_back_to_the_beginning():
    first, second = read({"a": 1}, {"a": 2})
    middle = built({"b": 1}, origin(first.id, second.id))
    last = built({"c": 1}, origin(middle.id))
    assert ancestors(last, [first, second, middle, last]) == {first.id, second.id, middle.id}
    assert ancestors(last, [last]) == {middle.id}


def test_a_row_that_was_changed_after_it_was_built_is_refused():
    row = row_of(built({"b": 2}, origin("s")))
    with pytest.raises(SteelyardError, match=r"f.jsonl, line 1: the record \w+ was changed after it was built"):
        read({**row, "b": 3})


@pytest.mark.parametrize(("row", "message"), [
    ({"record": 3}, "column 'record' is not as it was written"),
    ({"record": {"id": 3}}, "column 'record' is not as it was written"),
    ({"record": {"id": "x", "sources": "s", "builder": {}, "seed": 0}}, "column 'record' is not as it was written"),
])  # fmt: skip
def test_another_column_of_that_name_is_refused(row, message):
    with pytest.raises(SteelyardError, match=message):
        read({"a": 1, **row})


def test_an_id_that_stands_twice_and_a_field_of_that_name_are_refused():
    row = row_of(built({"b": 2}, origin("s")))
    with pytest.raises(SteelyardError, match="stands twice"):
        read(row, row)
    with pytest.raises(SteelyardError, match="a field is called 'record'"):
        row_of(Record("x", {"record": 1}))
