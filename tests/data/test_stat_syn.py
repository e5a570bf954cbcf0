from types import SimpleNamespace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import STATSyn, Tools, records_of
from steelyard.data.stat_syn import final_answer

ROWS = [
    {"prompt": "5+7=", "answer": 12, "skill": "carry"},
    {"prompt": "8+4=", "answer": "12", "skill": "carry"},
    {"prompt": "9-3=", "answer": 6, "skill": "borrow"},
    {"prompt": "6+6=", "answer": 12, "skill": "carry"},
]
SOLVED = {"first?": ["#### 3", "It is 4.\n#### 4", "#### 3"], "second?": ["#### 1", "#### 2", "#### 3"]}


class Teacher(SimpleNamespace):
    """Writes two questions, and the solutions above."""

    name = "teacher"

    def __call__(self, questions, seed):
        self.asked += questions
        return [self.say(q) for q in questions]

    def say(self, question):
        if question.address[-1] == "question":
            return f" {['first?', 'second?'][question.sample]}\n"
        return SOLVED[question.prompt.partition("\n")[0]][question.sample]


def records(rows=ROWS):
    return records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))


def test_by_hand():
    """Of the first question's solutions two agree, of the second's none do."""
    rows = records()
    teacher = Teacher(asked=[])
    found = STATSyn().build(rows[:1], rows, Tools(0, teacher))
    assert [dict(one.fields) for one in found] == [
        {"prompt": "first?", "skill": "carry", "answer": "#### 3"},
        {"prompt": "first?", "skill": "carry", "answer": "#### 3"},
    ]
    assert [one.origin.number for one in found] == [0, 2]
    assert {*found[0].origin.sources} == {rows[0].id, rows[1].id, rows[3].id}, "questions of the skill, itself first"
    assert found[0].origin.sources[0] == rows[0].id
    assert found[0].origin.asked == {"generator": "teacher"}
    asking, solving = teacher.asked[0].prompt, teacher.asked[2].prompt
    assert asking.startswith("Questions on carry:\n\n5+7= 12\n")
    assert "9-3=" not in asking
    assert solving.startswith("first?\n")
    assert len(teacher.asked) == 2 + 2 * 3


def test_fewer_examples_than_are_asked_and_more_that_must_agree():
    rows = records()
    found = STATSyn().build(rows[2:3], rows, Tools(0, Teacher(asked=[])))
    assert {one.origin.sources for one in found} == {(rows[2].id,)}
    assert STATSyn(agree=3).build(rows, rows, Tools(0, Teacher(asked=[]))) == []


def test_a_question_without_words_is_not_solved():
    class Silent(Teacher):
        def say(self, question):
            return " \n" if question.address[-1] == "question" else "#### 1"

    silent = Silent(asked=[])
    assert STATSyn().build(records()[:1], records(), Tools(0, silent)) == []
    assert len(silent.asked) == 2


@pytest.mark.parametrize(
    ("solution", "answer"),
    [("3+4 is 7\n#### 7", "7"), ("so \\boxed{12}", "12"), ("The answer is 5.", "5"), ("", ""), ("\\boxed{}", "")],
)
def test_the_final_answer(solution, answer):
    assert final_answer(solution) == answer


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"stat-syn.agree: is 4; use at most 3, the number of solutions"):
        STATSyn(agree=4)
    with pytest.raises(SteelyardError, match=r"--generator: is missing"):
        STATSyn().build(records()[:1], records(), Tools(0))
