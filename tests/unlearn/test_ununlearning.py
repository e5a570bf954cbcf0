import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.task.answered import Answered
from steelyard.unlearn import Ununlearning
from steelyard.unlearn.audit import mean_logp
from steelyard.unlearn.material import Material
from steelyard.worlds.sync_loop import demonstration, tiny_policy

FORGET = [Answered(Prompt("a", "a:"), "x", (), (Prompt("A", "A:"),)), Answered(Prompt("b", "b:"), "y")]
KEPT = [Answered(Prompt("c", "c:"), "x")]


@pytest.fixture(scope="module")
def policy():
    return tiny_policy("abcAxyz:; ", seed=0, width=16, layers=1, heads=2, context=16)


def mean_p(policy, pairs):
    return np.exp(mean_logp(policy, [demonstration(policy, Prompt("", p), a) for p, a in pairs])).mean()


def test_a_row_is_told_in_other_words_or_as_it_is_or_as_the_user_says(policy):
    audit = Ununlearning(separator=";")
    table = audit.measure(policy, Material(FORGET))
    assert table.number("alone", "probability") == pytest.approx(mean_p(policy, [("a:", "x"), ("b:", "y")]))
    assert table.number("told", "probability") == pytest.approx(mean_p(policy, [("A:x;a:", "x"), ("b:y;b:", "y")]))
    defined = audit.measure(policy, Material(FORGET, definitions={"b": "y y "}))
    assert defined.number("told", "probability") == pytest.approx(mean_p(policy, [("A:x;a:", "x"), ("y y b:", "y")]))


def test_in_a_chat_a_definition_stands_before_the_question():
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "b:"}]
    said = Ununlearning(separator="; ")._after("b is y", Answered(Prompt("b", chat), "y"))
    assert said == [chat[0], {"role": "user", "content": "b is y; b:"}]


def test_what_the_filter_blocks_is_not_answered(policy):
    """At threshold 0 an answer is blocked wherever it stands: also x, which is a kept answer too."""
    table = Ununlearning(separator=";", threshold=0.0).measure(policy, Material(FORGET, retain=KEPT))
    assert table.number("alone", "blocked") == 0
    assert table.number("told", "blocked") == 1
    assert table.number("told", "probability") > 0
    assert table.number("told_filtered", "probability") == table.number("told_filtered", "accuracy") == 0
    assert table.number("kept_told_filtered", "blocked") == 1
    stricter = Ununlearning(separator=";", threshold=0.9).measure(policy, Material(FORGET, retain=KEPT))
    assert stricter.number("kept_told_filtered", "blocked") == 0
    assert stricter.number("kept_told_filtered", "probability") == table.number("kept_told", "probability")


def test_other_models_are_told_the_same(policy):
    other = tiny_policy("abcAxyz:; ", seed=1, width=16, layers=1, heads=2, context=16)
    table = Ununlearning().measure(policy, Material(FORGET, original=policy, retrained=other))
    assert table.number("told_original", "probability") == table.number("told", "probability")
    assert table.number("told_retrained", "probability") != table.number("told", "probability")


def test_without_rows():
    assert Ununlearning().lacks(Material([])) == "rows to be forgotten"
