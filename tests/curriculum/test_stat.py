import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from restored import check_goes_on
from searched import found, prompts

from steelyard.core import Curriculum, Prompt, SteelyardError
from steelyard.curriculum import STAT

QUESTIONS = [
    Prompt("p0", "a", {"needs": "add"}),
    Prompt("p1", "b", {"needs": ["add", "carry"]}),
    Prompt("p2", "c", {"needs": ["carry", "carry"]}),
    Prompt("p3", "d", {"needs": ["subtract"]}),
]


def opened(seed=0, probes=(), **settings):
    return STAT(**{"skills": "needs"} | settings).open(QUESTIONS, seed, probes)


def test_a_profile_by_hand():
    """Questions 0 and 3 are answered; 1 lacks both of its skills, 2 its one: two of three draws are for carry."""
    draws = opened(round_size=2)
    assert isinstance(draws, Curriculum)
    draws.draw(2)
    for question, rewards in ((0, [1.0, 1.0]), (1, [1.0, 0.0]), (2, [0.0, 0.0]), (3, [1.0, 0.9])):
        draws.observe(found(question, rewards))
    drawn = draws.draw(3000)
    assert draws.profile == {"add": 1, "carry": 2}
    counts = np.bincount(drawn, minlength=4)
    assert counts[3] == 0
    assert counts[0] == pytest.approx(3000 / 3 / 2, abs=80), "add is a third of the draws, and has two questions"
    assert counts[2] == pytest.approx(3000 * 2 / 3 / 2, abs=80)


def test_what_the_verifier_names_as_missing_goes_before_the_skills_of_the_question():
    draws = opened()
    parts = {"missing:carry": 1.0, "missing:add": 0.0, "missing:division": 1.0, "steps": 3.0}
    draws.observe([t.replace(reward_parts=parts) for t in found(1, [0.0])])
    draws.draw(1)
    assert draws.profile == {"carry": 1}, "no question teaches division"


def test_without_a_profile_and_where_nothing_is_missed_every_question_comes_once_before_one_comes_again():
    draws = opened(round_size=4)
    assert sorted(draws.draw(4)) == [0, 1, 2, 3]
    for question in range(4):
        draws.observe(found(question, [1.0]))
    assert sorted(draws.draw(4)) == [0, 1, 2, 3]
    assert draws.profile == {}
    never = opened(threshold=-1.0, round_size=4)
    never.draw(4)
    never.observe(found(1, [0.0]))
    assert sorted(never.draw(4)) == [0, 1, 2, 3]


def test_the_threshold_is_of_the_mean_and_failed_samples_do_not_count():
    draws = opened(threshold=0.5)
    draws.observe(found(3, [1.0, 0.0]))
    draws.observe(found(0, [1.0, 0.5]))
    draws.observe(found(2, [None, float("nan")]))
    draws.draw(1)
    assert draws.profile == {"subtract": 1}


def test_a_skill_without_a_column_is_the_domain():
    draws = STAT().open(prompts(), 0)
    draws.observe(found(1, [0.0]))
    assert {i % 3 for i in draws.draw(50)} == {1}
    assert draws.profile == {"10": 1}


def test_probes_are_told_of_and_never_drawn():
    probe = Prompt("held", "held", {"needs": ["subtract", "division"]})
    draws = opened(probes=[probe])
    assert draws.begins_round
    draws.observe([t.replace(prompt_id="held") for t in found(0, [0.0])])
    assert {*draws.draw(20)} == {3}
    assert not draws.begins_round


def test_every_question_of_a_skill_once_before_one_comes_again():
    draws = STAT().open(prompts(), 3)
    draws.observe(found(2, [0.0]))
    drawn = draws.draw(12)
    assert [sorted(drawn[at : at + 4]) for at in (0, 4, 8)] == [[2, 5, 8, 11]] * 3


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 9))
def test_a_restored_one_goes_on_bit_for_bit(sizes, seed):
    check_goes_on(lambda: opened(seed, round_size=3), sizes, lambda i: [i / 3, 0.9])


def test_wrong_input_is_refused():
    with pytest.raises(SteelyardError, match=r"stat.round_size: is 0"):
        STAT(round_size=0)
    with pytest.raises(SteelyardError, match="no prompts"):
        STAT().open([], 0)
    with pytest.raises(SteelyardError, match="no column domain"):
        STAT().open([Prompt("a", "a")], 0)
    for needs in (None, "", [], [""], [["add"]], {"add": 1}):
        with pytest.raises(SteelyardError, match="prompt 'x': column 'needs' names no skill"):
            STAT(skills="needs").open([Prompt("x", "x", {"needs": needs})], 0)
    for change in ({"told": {"division": 1}}, {"profile": {"x": 1}}, {"walked": {}}, {"position": "1"}, {"more": 1}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            opened().restore({**opened().state(), **change})
