import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.task.answered import Answered
from steelyard.unlearn import InContext
from steelyard.unlearn.audit import mean_logp
from steelyard.unlearn.in_context import others_of, told_before
from steelyard.unlearn.material import Material
from steelyard.worlds.sync_loop import demonstration, tiny_policy


def row(prompt, answer):
    return Answered(Prompt(str(prompt), prompt), answer)


ROWS = [row("a:", "x"), row("b:", "y"), row("c:", "x"), row("d:", "z")]


def test_the_context_is_other_rows_that_do_not_say_the_answer():
    assert [one.prompt.text for one in others_of(ROWS, 0, 4)] == ["b:", "d:"]
    assert [one.prompt.text for one in others_of(ROWS, 1, 2)] == ["c:", "d:"]
    assert [one.prompt.text for one in others_of(ROWS, 3, 1)] == ["a:"]
    assert told_before(ROWS[:2], "c:", "; ") == "a:x; b:y; c:"


def test_in_a_chat_they_are_earlier_turns_under_one_system_message():
    def chat(text):
        return [{"role": "system", "content": "Be short."}, {"role": "user", "content": text}]

    said = told_before([row(chat("a"), "x")], chat("b"), "")
    assert [(m["role"], m["content"]) for m in said] == [
        ("system", "Be short."),
        ("user", "a"),
        ("assistant", "x"),
        ("user", "b"),
    ]


def test_the_numbers_are_those_of_the_prompts_after_others():
    policy = tiny_policy("abcdxyz:;", seed=0, width=16, layers=1, heads=2, context=12)
    table = InContext(examples=1, separator=";").measure(policy, Material(ROWS))
    texts = {"a:": "b:y;a:", "b:": "c:x;b:", "c:": "d:z;c:", "d:": "a:x;d:"}
    for name, asked in (("forget_alone", {t: t for t in texts}), ("forget_in_context", texts)):
        given = [demonstration(policy, Prompt("", asked[one.prompt.text]), one.answer) for one in ROWS]
        assert table.number(name, "probability") == pytest.approx(np.exp(mean_logp(policy, given)).mean())
        assert table.number(name, "questions") == 4
    assert table.number("forget_in_context", "examples") == 1
    assert table.number("forget_alone", "examples") == 0


def test_examples_go_where_the_context_ends():
    """A row is 4 tokens alone (a prompt of 2, an answer, its end), and 4 more (`a:x;`) with each row before it."""
    for context, told in ((12, 2.0), (8, 1.0)):
        policy = tiny_policy("abcdxyz:;", seed=0, width=16, layers=1, heads=2, context=context)
        found = InContext(examples=2, separator=";").measure(policy, Material(ROWS))
        assert found.number("forget_in_context", "examples") == told
    policy = tiny_policy("abcdxyz:;", seed=0, width=16, layers=1, heads=2, context=7)
    found = InContext(examples=2, separator=";").measure(policy, Material(ROWS))
    assert found.number("forget_in_context", "questions") == 0
    assert found.number("forget_in_context", "probability") is None


def test_rows_of_one_answer_lack_another():
    assert InContext().lacks(Material([ROWS[0], ROWS[2]])) == "two rows to be forgotten with other prompts and answers"
    assert not InContext().lacks(Material(ROWS))
