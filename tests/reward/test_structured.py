import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.reward.structured import FieldReward, TypeReward, members, object_of, output_of, told

TEXTS = st.text(st.sampled_from('ab"\\{}[]:, \n\u8336'), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("indent", [None, 2])
@given(value=st.dictionaries(TEXTS, JSON, max_size=4))
def test_members_stand_where_they_are_said_to(value, indent):
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert {key: json.loads(text[start:end]) for key, (start, end) in members(text)} == value


def test_an_output_by_hand():
    text = ' {"action": {"type": "click"}, "rationale" : "so {\\"rationale\\": 1}"}\n'
    found = output_of(text, "rationale", "action")
    assert found.rationale == 'so {"rationale": 1}'
    assert found.action == {"type": "click"}
    assert text[slice(*found.span)] == 'so {\\"rationale\\": 1}'


@pytest.mark.parametrize("text", [
    "", "{", "[]", "1", "null", '{"rationale": "a"}', '{"action": {}}', '{"rationale": 1, "action": {}}',
    '{"rationale": "a", "action": "b"}', '{"rationale": "a", "action": {}} and more', '```{"rationale": "a"}```',
    '{"rationale": "a", "action": {}, "x": ' + "9" * 9999 + "}", "[" * 9999,
    '{"rationale": "a", "action": {"x": ' + "[" * 9999 + "]" * 9999 + "}}",
])  # fmt: skip
def test_what_is_no_output(text):
    assert output_of(text, "rationale", "action") is None


def test_objects_and_what_fields_say():
    assert object_of({"a": 1}) == {"a": 1} == object_of('{"a": 1}')
    assert [object_of(value) for value in (None, 3, "x", "[1]", [1])] == [None] * 5
    assert [told(value) for value in (" a ", 3, 0.5, True, None, [1], {"a": 1})] == [
        "a",
        "3",
        "0.5",
        "true",
        "",
        "",
        "",
    ]
    with pytest.raises(SteelyardError, match="shop-r1, type 'click': has a field twice: name, name; name each field"):
        TypeReward("click", fields=(FieldReward("name"), FieldReward("name")))
