"""Lessons of FenCE's critic: which critiques are kept, by hand."""

from types import SimpleNamespace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import FenCECritic, Tools, records_of
from steelyard.data.critique import CritiqueForm

FORM = CritiqueForm(template="{document}|{claim}")
ROWS = [
    {"claim": "a", "document": "abc", "label": "supported", "found": ["xay", "no"]},
    {"claim": "b", "document": "no", "label": "contradictory"},
]


class Teacher(SimpleNamespace):
    """Finds a claim supported where its letter is in the document; the address tells one pair from another."""

    name = "teacher"

    def __call__(self, questions, seed):
        self.asked = questions
        return [self.say(q.prompt if isinstance(q.prompt, str) else q.prompt[0]["content"]) for q in questions]

    def say(self, asked):
        document, claim = asked.split("|")
        return f"I read {document}.\nLabel: {'supported' if claim in document else 'unverified'}"


def built(rows=ROWS, **settings):
    records = records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))
    teacher = Teacher()
    return FenCECritic(critic=FORM, **settings).build(records, records, Tools(0, teacher)), records, teacher


def test_by_hand():
    """A critique that agrees is taught with its label; of further documents only those that lead to it."""
    found, records, teacher = built(found_column="found")
    assert [dict(one.fields) for one in found] == [
        {"prompt": "abc|a", "answer": "I read abc.\nLabel: supported", "label": "supported", "agreed": True},
        {"prompt": "xay|a", "answer": "I read xay.\nLabel: supported", "label": "supported", "agreed": True},
        {"prompt": "no|b", "answer": "Label: contradictory", "label": "contradictory", "agreed": False},
    ]
    assert [(one.origin.sources, one.origin.number) for one in found] == [
        ((records[0].id,), 0), ((records[0].id,), 1), ((records[1].id,), 0),
    ]  # fmt: skip
    assert len(teacher.asked) == 4


def test_what_disagrees_may_be_left_out_and_further_documents_are_not_read_unasked():
    found, _, teacher = built(labels_alone=False)
    assert [one.fields["prompt"] for one in found] == ["abc|a"]
    assert len(teacher.asked) == 2


def test_a_chat_is_a_message_of_the_user():
    found, _, _ = built(chat=True)
    assert found[0].fields["prompt"] == [{"role": "user", "content": "abc|a"}]


def test_a_claim_may_stand_with_its_question():
    form = CritiqueForm(template="{document}|{prompt}{claim}")
    rows = [ROWS[1] | {"question": "which?"}]
    records = records_of([("line 1", rows[0])])
    [found] = FenCECritic(critic=form, prompt_column="question").build(records, records, Tools(0, Teacher()))
    assert found.fields["prompt"] == "no|which?b"
    with pytest.raises(SteelyardError, match=r"fence-critic.prompt_column: is empty, and the template has \{prompt\}"):
        FenCECritic(critic=form)


def test_another_label_is_refused():
    with pytest.raises(SteelyardError, match=r"--rows: the label of record .* is 'true'; write supported"):
        built([ROWS[0] | {"label": "true"}])
    assert FenCECritic().build([], records_of([("line 1", ROWS[0])]), Tools(0)) == []
