import pytest

from steelyard.core import SteelyardError
from steelyard.data import EFL, Tools, records_of

ROWS = [
    {"text": "a fine day", "label": "praise"},
    {"text": "a bad day", "label": "blame"},
    {"text": "a day", "label": "neither"},
]


def records(rows=ROWS):
    return records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))


def built(settings, rows=ROWS, seed=0):
    return settings.build(records(rows), records(rows), Tools(seed))


def test_by_hand():
    """With two classes each row has one pair that is entailed and one that is not."""
    settings = EFL(descriptions=(("praise", "Somebody is glad."),))
    found = built(settings, ROWS[:2])
    assert [dict(record.fields) for record in found] == [
        {"premise": "a fine day", "hypothesis": "Somebody is glad.", "entailed": 1},
        {"premise": "a fine day", "hypothesis": "It is blame.", "entailed": 0},
        {"premise": "a bad day", "hypothesis": "It is blame.", "entailed": 1},
        {"premise": "a bad day", "hypothesis": "Somebody is glad.", "entailed": 0},
    ]
    assert [record.origin.sources for record in found] == [(records()[i].id,) for i in (0, 0, 1, 1)]


def test_negatives_are_other_classes_each_once_and_at_most_all():
    pairs = built(EFL(negatives=5))
    assert len(pairs) == 3 * (1 + 2)
    for row in range(3):
        said = [pair.fields["hypothesis"] for pair in pairs[3 * row : 3 * row + 3]]
        assert sorted(said) == ["It is blame.", "It is neither.", "It is praise."]
        assert said[0] == f"It is {ROWS[row]['label']}."


def test_all_other_classes_are_drawn_and_the_seed_decides():
    rows = [{"text": f"text {i}", "label": f"class {i % 4}"} for i in range(200)]
    pairs = built(EFL(), rows)
    drawn = [pair.fields["hypothesis"] for pair in pairs if not pair.fields["entailed"]]
    shares = [drawn.count(f"It is class {k}.") / len(drawn) for k in range(4)]
    assert shares == pytest.approx([0.25] * 4, abs=0.08)
    assert [pair.id for pair in pairs] != [pair.id for pair in built(EFL(), rows, seed=1)]


def test_columns_and_whole_numbers_as_classes():
    rows = [{"said": "one", "kind": 1}, {"said": "two", "kind": 2}]
    pairs = built(EFL(text_column="said", label_column="kind", template="Of kind {label}"), rows)
    assert [pair.fields["hypothesis"] for pair in pairs] == ["Of kind 1", "Of kind 2", "Of kind 2", "Of kind 1"]


@pytest.mark.parametrize(("settings", "message"), [
    ({"template": "no place"}, "efl.template: is 'no place'; write {label} where the class belongs"),
    ({"negatives": 0}, "negatives: is 0; use 1 or more"),
    ({"descriptions": (("a", "x"), ("a", "y"))}, "efl.descriptions: describes a more than once"),
    ({"descriptions": (("rage", "x"),)}, "describes rage, and no row is of that class; describe blame, neither, pra"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(SteelyardError, match=message.replace("{", r"\{")):
        built(EFL(**settings))


def test_one_class_is_refused():
    with pytest.raises(SteelyardError, match="efl: all rows are of the class praise; give rows of two classes or more"):
        built(EFL(), ROWS[:1])
