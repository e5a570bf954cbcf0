"""HALT: targets by hand, its dial, what threshold 0 keeps, and the edges of answers and shots."""

import re
from types import SimpleNamespace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import HALT, Tools, records_of
from steelyard.data.fragments import Graded

ROWS = [{"prompt": f"{name}:", "answer": f"{name} is here."} for name in ("ada", "bo", "cy")]


class Writer(SimpleNamespace):
    """Gives each prompt the same answers, one after the other; remembers what it was asked."""

    name = "writer"

    def __call__(self, questions, seed):
        self.asked = questions
        return [self.answers[question.sample] for question in questions]


class Facts(SimpleNamespace):
    """Knows what is right: 1 for a fragment among them, None for one that it cannot tell."""

    name = "facts"

    def __call__(self, prompts, completions, /, **columns):
        self.told = {"prompts": prompts, "completions": completions, **columns}
        return [None if "?" in said else float(said in self.right) for said in completions]


def built(settings, answers, right=(), rows=ROWS, seed=0):
    writer, facts = Writer(answers=answers), Facts(right=set(right))
    records = records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))
    return settings.build(records, records, Tools(seed, writer, facts)), writer, facts


def graded(*right, text="A. B. C."):
    return Graded(text, ("A. ", "B. ", "C."), right)


@pytest.mark.parametrize(("errors", "taught"), [
    ("remove", "A. C."),
    ("cut", "A. Unsure."),
    ("mark", "A. Unsure.B. C."),
])  # fmt: skip
def test_by_hand(errors, taught):
    """Of three fragments the second is wrong."""
    settings = HALT(errors=errors, marker="Unsure.", samples=1, shots=0)
    found, _, _ = built(settings, ["A. B. C."], ["A.", "C."])
    assert [record.fields["answer"] for record in found] == [taught] * 3
    correct = 2 if errors == "remove" else 1  # what follows a wrong step is wrong
    assert {(r.fields["given"], r.fields["correct"], r.fields["sampled"]) for r in found} == {(3, correct, "A. B. C.")}
    assert [record.fields["prompt"] for record in found] == ["ada:", "bo:", "cy:"]


@pytest.mark.parametrize(
    ("alpha", "accuracy"), [(0.01, 0), (0.25, 0), (0.4, 1 / 3), (0.5, 1 / 3), (0.75, 2 / 3), (1.0, 1)]
)
def test_alpha_takes_an_answer_by_its_accuracy(alpha, accuracy):
    four = [
        graded(True, True, True),
        graded(False, False, False),
        graded(True, True, False),
        graded(False, True, False),
    ]
    assert HALT(alpha=alpha).chosen(four).accuracy == pytest.approx(accuracy)
    assert HALT(alpha=0.7).chosen([graded(True, True, True)] * 10) is not None


def test_alpha_of_ten_is_exact():
    """0.7 times 10 is a little more than 7 in floating point; it is the seventh."""
    ten = [Graded("x", ("x",) * 10, (True,) * k + (False,) * (10 - k)) for k in range(10)]
    assert [HALT(alpha=share / 10).chosen(ten).correct for share in range(1, 11)] == [*range(10)]


@pytest.mark.parametrize("errors", ["remove", "cut", "mark"])
@pytest.mark.parametrize("said", ["A. B. C.", " A.\n\nB! C?", "one", "A. B. \n"])
def test_threshold_0_teaches_the_sample_as_it_is(errors, said):
    answers = [said, "A. B."]
    found, _, _ = built(
        HALT(threshold=0.0, errors=errors, alpha=0.5, samples=2, shots=0), [a.replace("?", ".") for a in answers]
    )
    assert {record.fields["answer"] for record in found} == {said.replace("?", ".")}


def test_where_nothing_is_right_the_marker_is_taught():
    for errors in ("remove", "cut"):
        found, _, _ = built(HALT(errors=errors, samples=1, shots=0), ["A. B."])
        assert {record.fields["answer"] for record in found} == {"Unsure from here."}
    found, _, _ = built(HALT(errors="mark", samples=1, shots=0), ["A. B."])
    assert found[0].fields["answer"] == "Unsure from here.A. B."
    found, _, _ = built(HALT(samples=1, shots=0), [" "])
    assert (found[0].fields["answer"], found[0].fields["given"]) == ("Unsure from here.", 0)


def test_what_follows_a_marker_is_not_judged():
    """So a model that was taught is measured by what it claims."""
    settings = HALT(errors="cut", samples=1, shots=0)
    found, _, facts = built(settings, ["A. Unsure from here. B. C."], ["A."])
    assert set(facts.told["completions"]) == {"A."}
    assert {(r.fields["answer"], r.fields["given"], r.fields["correct"]) for r in found} == {
        ("A. Unsure from here.", 1, 1)
    }


def test_an_answer_that_the_judge_cannot_tell_is_not_taken():
    found, _, _ = built(HALT(samples=2, alpha=1.0, shots=0), ["A. what? B.", "B."], ["A."])
    assert {record.fields["sampled"] for record in found} == {"B."}
    found, _, _ = built(HALT(samples=1, shots=0), ["what?"], ["A."])
    assert found == []


def test_the_judge_is_told_the_row_and_what_was_said_before():
    _, _, facts = built(HALT(samples=1, shots=0), ["A. B."], rows=[*ROWS[:1], {"prompt": "di:", "from": 7}])
    assert facts.told == {
        "prompts": ["ada:", "ada:", "di:", "di:"],
        "completions": ["A.", "B."] * 2,
        "said_before": ["", "A. "] * 2,
        "prompt": ["ada:", "ada:", "di:", "di:"],
        "answer": ["ada is here."] * 2 + [None] * 2,
        "from": [None, None, 7, 7],
    }


def test_shots_are_other_rows_and_the_answer_ends_where_a_next_one_begins():
    found, writer, _ = built(HALT(shots=2, samples=1, between=" # "), ["A. # bo: x", "y"], ["A."])
    ids = {record.id: record.fields for record in records_of((str(i), row) for i, row in enumerate(ROWS))}
    for record, question in zip(found, writer.asked, strict=True):
        *shown, asked = question.prompt.split(" # ")
        assert asked == record.fields["prompt"]
        assert {*shown} == {f"{row['prompt']}{row['answer']}" for row in ROWS if row["prompt"] != asked}
        own, *others = (ids[id] for id in record.origin.sources)
        assert own["prompt"] == asked
        assert [f"{one['prompt']}{one['answer']}" for one in others] == shown
        assert record.fields["sampled"] == "A."


def test_the_seed_decides_the_shots():
    rows = [{"prompt": f"{i}:", "answer": i} for i in range(20)]
    asked = [[q.prompt for q in built(HALT(samples=1), ["A."], rows=rows, seed=seed)[1].asked] for seed in (0, 0, 1)]
    assert asked[0] == asked[1] != asked[2]


@pytest.mark.parametrize(("settings", "message"), [
    ({"split": "("}, "halt.split: is no regular expression"),
    ({"marker": " "}, "halt.marker: is empty"),
    ({"between": ""}, "halt.between: is empty"),
    ({"alpha": 0.0}, "halt.alpha: is 0.0"),
    ({"threshold": 1.1}, "halt.threshold: is 1.1"),
    ({"samples": 0}, "halt.samples: is 0"),
    ({"shots": 3}, "halt: asks 3 shots beside each row, of 3 rows; give more rows, or fewer --shots"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(SteelyardError, match=re.escape(message)):
        built(HALT(**settings), ["A."])
    assert HALT(between="", shots=0).columns()[0].name == "prompt"


def test_a_column_that_hides_an_argument_is_refused():
    with pytest.raises(SteelyardError, match="--rows: prompts would hide an argument of the judge; rename the column"):
        built(HALT(samples=1, shots=0), ["A."], rows=[{"prompt": "a", "prompts": "b"}])
