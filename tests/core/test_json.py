"""JSON whose objects say each key once."""

import datetime
import json

import pytest

from steelyard.core import SteelyardError
from steelyard.core.json import check_json, check_keys


@pytest.mark.parametrize("text", ['{"a": 1, "b": {"a": 1}}', '[{"a": 1}, {"a": "\\"a\\": 2"}]', '{"A": NaN, "a": 1}'])
def test_a_key_may_stand_in_several_objects(text):
    check_keys(text, "here")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[[{"b": {"a": 1, "b": 2, "\\u0061": 3}}]]'])
def test_a_key_that_stands_twice_is_refused(text):
    with pytest.raises(SteelyardError, match="here: the key 'a' stands twice; leave one of them out"):
        check_keys(text, "here")


def test_what_is_no_json_or_too_deep_to_look():
    with pytest.raises(json.JSONDecodeError):
        check_keys("{", "here")
    with pytest.raises(SteelyardError, match="here: it is nested too deeply; write the inner part as a text"):
        check_keys('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "here")


@pytest.mark.parametrize("value", [float("nan"), datetime.date(2024, 1, 1), b"a", {"a": [float("inf")]}])
def test_what_json_has_no_word_for_is_refused_with_its_column(value):
    with pytest.raises(SteelyardError, match="line 3: column 'b' holds what JSON has not"):
        check_json({"a": [1, None, {"é": "x"}], "b": value}, "line 3")
