"""Rejection sampling and compared answers: by hand, what is no candidate, and what the judge is shown."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.data import ComparedAnswers, RejectionSampling, Tools, records_of
from steelyard.data.endings import Written

ROWS = [{"prompt": name, "hint": i} for i, name in enumerate(("one", "two"))]


class Writer(SimpleNamespace):
    """Gives each prompt the same answers, one after the other."""

    name = "writer"

    def __call__(self, questions, seed):
        return [one.text for one in self.written(questions, seed)]

    def written(self, questions, seed):
        return [self.answers[question.sample] for question in questions]


class Numbers(SimpleNamespace):
    """Rates a text by the number that it is; remembers what it was shown."""

    name = "numbers"

    def __call__(self, prompts, completions, **columns):
        self.shown = {"prompts": prompts, "completions": completions, **columns}
        return [None if said == "?" else float(said) for said in completions]


def built(settings, *answers, rows=ROWS):
    given = [answer if isinstance(answer, Written) else Written(answer) for answer in answers]
    judge = Numbers()
    records = records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))
    return settings.build(records, records, Tools(0, Writer(answers=given), judge)), judge


def test_by_hand():
    found, judge = built(RejectionSampling(samples=3), "2", "5", "3")
    assert [record.fields for record in found] == [
        {"prompt": name, "answer": "5", "reward": 5.0, "mean_reward": pytest.approx(10 / 3), "candidates": 3}
        for name in ("one", "two")
    ]
    assert judge.shown["prompts"] == ["one"] * 3 + ["two"] * 3
    assert judge.shown["hint"] == [0, 0, 0, 1, 1, 1]
    assert found[0].origin.asked == {"generator": "writer", "judge": "numbers"}


def test_what_is_cut_off_blank_equal_or_unrated_is_no_candidate():
    answers = (Written("9", ended=False), "  ", "4", "4", "?", "1")
    found, judge = built(RejectionSampling(samples=6), *answers, rows=ROWS[:1])
    assert judge.shown["completions"] == ["4", "?", "1"]
    assert (found[0].fields["answer"], found[0].fields["candidates"]) == ("4", 2)
    assert built(RejectionSampling(samples=1), Written("9", ended=False))[0] == []


def test_compared_by_hand():
    found, _ = built(ComparedAnswers(samples=3), "2", "5", "3", rows=ROWS[:1])
    assert found[0].fields == {
        "prompt": "one", "chosen": "5", "rejected": "2", "chosen_reward": 5.0, "rejected_reward": 2.0,
    }  # fmt: skip
    assert built(ComparedAnswers(samples=3, gap=3.0), "2", "5", "3")[0] != []
    assert built(ComparedAnswers(samples=3, gap=3.1), "2", "5", "3")[0] == []
    assert built(ComparedAnswers(samples=2), "3", "3.0")[0] == [], "a tie says nothing"
    with pytest.raises(SteelyardError, match=r"compared-answers\.samples"):
        ComparedAnswers(samples=1)


@given(st.lists(st.integers(-9, 9).map(str), min_size=1, max_size=6))
def test_no_answer_is_better_than_the_kept_one_and_it_is_a_pairs_chosen(answers):
    number = len(answers)
    [best], _ = built(RejectionSampling(samples=number), *answers, rows=ROWS[:1])
    assert best.fields["reward"] == max(map(float, answers))
    if number > 1:
        pairs, _ = built(ComparedAnswers(samples=number), *answers, rows=ROWS[:1])
        assert [pair.fields["chosen"] for pair in pairs] == ([best.fields["answer"]] if len({*answers}) > 1 else [])
