"""What an episode of attempts earns, by hand, and what its environment answers."""

import pytest

from steelyard.core import Prompt, Score
from steelyard.task.attempts import AttemptRules, Attempts

PROMPT = Prompt("p", "3+4=", {"answer": "7"})


def read(episode):
    """Reads digits; fails on "?"."""
    said = episode.completion
    if said == "?":
        return Score(None, error="unreadable")
    answer = said.strip() if said.strip().isdigit() else None
    return Score(float(answer == episode.prompt.columns["answer"]), read=answer)


def play(*said, prompt=PROMPT, verify=read, **rules):
    one = Attempts(AttemptRules(**rules), verify)
    assert one.reset(prompt) == prompt.text
    return [one.step(text) for text in said]


def parts(right, first, turns, repeats):
    names = ("right", "first", "turns", "repeats")
    return dict(zip(names, map(float, (right, first, turns, repeats)), strict=True))


def test_by_hand():
    no = AttemptRules().feedback
    assert play("7") == [Score(1.0, parts(1, 1, 1, 0), read="7", right=True)]
    # 5, 5, 7: right in turn 2 earns 1/4; two of three answers differ, which costs 1/2 x 1/3
    *told, end = play("5", "5", "7")
    assert told == [no, no]
    assert end.value == pytest.approx(0.25 - 0.5 / 3)
    assert (end.parts, end.right) == (parts(1, 0, 3, 1), True)
    # never right, no two alike: nothing earned, nothing lost
    assert play("1", "2", "3", "4", "5")[-1] == Score(0.0, parts(0, 0, 5, 0), read="5", right=False)


def test_an_attempt_without_an_answer_costs_and_is_none_of_the_attempts_that_count():
    # "what" is no answer: T = 2, E = 1, I = 1
    assert play("5", "what", "5", max_turns=3)[-1].value == pytest.approx(-0.5 / 2 - 0.1)
    assert play("a", "b", max_turns=2)[-1].value == pytest.approx(-0.2)
    assert play("A b", "ab", max_turns=2, answers="text")[-1].value == pytest.approx(-0.25)


def test_one_turn_without_penalties_is_the_verifier():
    for said, value in (("7", 1.0), ("5", 0.0), ("what", 0.0)):
        [score] = play(said, max_turns=1, format_penalty=0.0)
        assert score.value == value


def test_without_decay_and_penalties_it_is_whether_any_turn_was_right():
    plain = {"turn_decay": 1.0, "repeat_penalty": 0.0, "format_penalty": 0.0}
    assert play("5", "5", "x", "7", **plain)[-1].value == 1.0
    assert play("5", "5", "x", "5", "5", **plain)[-1].value == 0.0


def test_graded_verifiers_say_from_where_on_it_is_right():
    [end] = play("anything", right_at=0.6, verify=lambda e: Score(0.7), answers="text")
    assert (end.value, end.right) == (1.0, True)


def test_a_verifier_that_fails_gives_no_reward():
    end = play("5", "?")[-1]
    assert (end.value, end.error) == (None, "attempt 2: unreadable")


def test_what_a_limit_cuts_off():
    one = Attempts(AttemptRules(), read)
    one.reset(PROMPT)
    one.step("5")
    assert one.truncate("5").value == pytest.approx(-0.25)  # seen only now: the second attempt, a repetition
    seen = Attempts(AttemptRules(), read)
    seen.reset(PROMPT)
    seen.step("5")
    assert seen.truncate("").parts == parts(0, 0, 1, 0)
    told = []
    cut = Attempts(AttemptRules(), lambda e: told.append(e.finish) or Score(1.0))
    cut.reset(PROMPT)
    assert (cut.truncate("70").right, told) == (True, ["length"])


def test_a_chat_is_answered_by_a_message():
    chat = Prompt("c", [{"role": "user", "content": "3+4"}], {"answer": "7"})
    one = Attempts(AttemptRules(feedback="\nno\n"), read)
    assert one.reset(chat) == chat.text
    assert one.step("5") == [{"role": "user", "content": "no"}]
