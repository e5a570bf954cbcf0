"""Ids and splits depend on text alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.task.base import escaped, fill, key_of, make_prompt, split_by_hash, take_split, unescaped

TEXTS = [f"question {i}" for i in range(200)]


def split(texts, share=0.5):
    return split_by_hash(((t, make_prompt(t, {})) for t in texts), share, where="test")


@given(st.permutations(TEXTS[:40]))
def test_order_moves_no_prompt(shuffled):
    expected, got = split(TEXTS[:40]), split(shuffled)
    assert {s: {p.id for p in expected[s]} for s in expected} == {s: {p.id for p in got[s]} for s in got}


@given(st.integers(50, 100))
def test_more_prompts_move_no_prompt(count):
    assert {p.id for p in split(TEXTS[:50])["train"]} <= {p.id for p in split(TEXTS[:count])["train"]}


@given(st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_a_larger_share_holds_out_more(a, b):
    few, many = ({p.id for p in split(TEXTS[:60], share)["held-out"]} for share in sorted((a, b)))
    assert few <= many


def test_the_share_is_about_right():
    assert 0.2 < len(split(TEXTS, 0.3)["held-out"]) / len(TEXTS) < 0.4


def test_equal_prompts_are_one_and_the_first_stays():
    prompts = [(t, make_prompt(t, {"row": i})) for i, t in enumerate([*TEXTS, *TEXTS])]
    splits = split_by_hash(prompts, 0.5, where="test")
    held = [*splits["train"], *splits["held-out"]]
    assert sorted(p.columns["row"] for p in held) == list(range(200))
    assert len({p.id for p in held}) == 200


def test_chat_messages_have_one_key_whatever_the_order_of_their_fields():
    a, b = [{"role": "user", "content": "é"}], [{"content": "é", "role": "user"}]
    assert key_of(a) == key_of(b)
    assert make_prompt(a, {}).id == make_prompt(b, {}).id
    assert len(make_prompt(a, {}).id) == 16


def test_an_empty_split_is_an_error():
    with pytest.raises(SteelyardError, match="all 1 prompts fall in"):
        split(["one"])


def test_an_unknown_split_is_an_error():
    with pytest.raises(SteelyardError, match="did you mean 'held-out'"):
        take_split(split(TEXTS), "held_out")


def test_fill_leaves_other_braces_alone():
    assert fill("{a} {prompt} {}", "{prompt}") == "{a} {prompt} {}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [(r"Q: {prompt}\nA:", "Q: {prompt}\nA:"), (r"\boxed{}", r"\boxed{}"), (r"\\text", r"\text"), (r"a\tb", "a\tb"),
     ("\\", "\\"), ("a\nb", "a\nb"), (r"\\\n", "\\\n"), ("", "")],
)  # fmt: skip
def test_escapes_of_the_command_line(written, meant):
    assert unescaped(written) == meant


@given(st.text())
def test_what_is_escaped_is_read_back(text):
    assert unescaped(escaped(text)) == text
