"""HarmAug: what the model is asked, what is kept of its answers, and pairs of a text and its answer."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from steelyard.core import SteelyardError
from steelyard.data import HarmAug, Question, Tools, records_of
from steelyard.data.harmaug import first_line

ROWS = [("harmful", "zap it"), ("harmless", "pat it"), ("harmful", "zap all")]
RECORDS = records_of((f"line {i}", {"text": text, "label": label}) for i, (label, text) in enumerate(ROWS))


@dataclass
class Writer:
    """Says what it is told to, and remembers what it was asked."""

    said: tuple[str, ...]
    name: str = "w"
    asked: list[Any] = field(default_factory=list)

    def __call__(self, questions: Any, seed: int) -> list[str]:
        self.asked += questions
        return [self.said[question.sample % len(self.said)] for question in questions]


def test_by_hand() -> None:
    writer = Writer(('  "zap them"\nfor fun', "zap it", " ", "zap them"))
    built = HarmAug(samples=4, examples=2).build(RECORDS, RECORDS, Tools(0, writer))
    assert [record.fields for record in built] == [{"text": "zap them"}] * 2, "one for each harmful row"
    assert [record.origin.sources for record in built if record.origin] == [(RECORDS[0].id,), (RECORDS[2].id,)]
    user, begun = writer.asked[0].prompt
    assert user["content"].endswith("offensive content.\n- zap all\n- zap it")
    assert begun == {"role": "assistant", "content": "I have an idea for a prompt:"}


def test_without_a_prefix_the_model_begins_by_itself() -> None:
    writer = Writer(("no",))
    HarmAug(samples=1, prefix="").build(RECORDS, RECORDS, Tools(0, writer))
    assert [message["role"] for message in writer.asked[0].prompt] == ["user"]


def test_a_model_without_a_template_is_asked_by_one_text() -> None:
    rule = HarmAug(request="more{examples} :", prefix=" idea", example=" {text}", examples=1, samples=1, chat=False)
    assert rule.question(RECORDS[0], ["zap all", "zap it"], Tools(0)) == "more zap it : idea"


def test_pairs_hold_the_answer() -> None:
    class Answering(Writer):
        def __call__(self, questions: Any, seed: int) -> list[str]:
            return ["zap me" if len(q.prompt) == 2 else f"I will not {q.prompt[0]['content']}." for q in questions]

    rule = HarmAug(samples=2, pair="{text} / {answer}")
    built = rule.build(RECORDS[:1], RECORDS, Tools(0, Answering(())))
    assert [record.fields["text"] for record in built] == ["zap me / I will not zap me."]


def test_without_a_harmful_row_nothing_is_asked() -> None:
    writer = Writer(("x",))
    assert HarmAug().build(RECORDS[1:2], RECORDS, Tools(0, writer)) == []
    assert writer.asked == []


def test_the_first_line_that_says_something() -> None:
    assert first_line('\n  "a b" \nc') == "a b"
    assert first_line("  \n ") == ""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"request": "give me one"}, "harmaug.request: shows none; write {examples}"),
        ({"example": "- x"}, "harmaug.example: shows none; write {text}"),
        ({"pair": "{text}"}, "harmaug.pair: is '{text}'; write {text} and {answer}"),
    ],
)
def test_templates_say_where_things_go(change: dict[str, str], what: str) -> None:
    with pytest.raises(SteelyardError) as caught:
        HarmAug(**change)  # pyright: ignore[reportArgumentType]
    assert what in str(caught.value)
    HarmAug(request="give me one", examples=0)


def test_questions_have_addresses_of_their_own() -> None:
    writer = Writer(("a", "b"))
    HarmAug(samples=2).build(RECORDS, RECORDS, Tools(0, writer))
    places = [(question.address, question.sample) for question in writer.asked]
    assert len(set(places)) == len(places) == 4
    assert all(isinstance(question, Question) for question in writer.asked)
