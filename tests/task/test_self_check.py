"""Reading and writing of generations in rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.task.self_check import Round, SelfCheckMarks

MARKS = SelfCheckMarks(verify="v", accept="y", reject="n")


def test_rounds_by_hand():
    assert MARKS.rounds("5v01n8v01y", 4) == [Round("5", False, (1, 5)), Round("8", True, (6, 10))]
    assert MARKS.rounds("8", 4) == [Round("8", None, (1,))]
    assert MARKS.rounds("", 4) == [Round("", None, (0,))]


def test_what_is_missing_ends_with_the_completion():
    assert MARKS.rounds("5v01", 4) == [Round("5", None, (1, 4))], "a verification without a verdict"
    assert MARKS.rounds("5vn8", 4) == [Round("5", False, (1, 3)), Round("8", None, (4,))], "a second one unverified"
    assert MARKS.rounds("5vn", 4) == [Round("5", False, (1, 3))], "refused, and nothing follows"
    assert MARKS.rounds("vy", 4) == [Round("", True, (0, 2))], "an empty proposal"


def test_nothing_is_read_after_an_accepting_verdict_or_the_last_proposal():
    assert MARKS.rounds("5vy9vn1vy", 4) == [Round("5", True, (1, 3))]
    assert MARKS.rounds("1vn2vn3vy", 2) == [Round("1", False, (1, 3)), Round("2", False, (4, 6))]
    assert MARKS.rounds("5y9", 4) == [Round("5", None, (3,))], "accepted without a verification: it ends there, too"


def test_of_two_verdicts_the_first_counts():
    assert MARKS.rounds("5vny", 1) == [Round("5", False, (1, 3))]
    assert MARKS.rounds("5vyn", 1) == [Round("5", True, (1, 3))]


@given(st.lists(st.tuples(st.text("0123", max_size=3), st.text("0123", max_size=3)), min_size=1, max_size=4))
def test_what_is_written_is_read_again(proposals):
    text = MARKS.written(proposals)
    found = MARKS.rounds(text, 4)
    assert [one.proposal for one in found] == [said for said, _ in proposals]
    assert [one.verdict for one in found] == [*[False] * (len(proposals) - 1), True]
    assert found[-1].ends[-1] == len(text)
    assert MARKS.rounds(MARKS.written(proposals, accepted=False), 4)[-1].verdict is False


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"verify": ""}, r"--verify: is ''; use a text that is not empty"),
        ({"accept": "ok", "reject": "ok"}, r"--accept: 'ok' is a part of --reject; give each a text of its own"),
        ({"accept": "ok", "reject": "not ok"}, r"--accept: 'ok' is a part of --reject"),
    ],
)
def test_marks_that_cannot_be_told_apart_are_refused(marks, said):
    with pytest.raises(SteelyardError, match=said):
        SelfCheckMarks(**marks)
