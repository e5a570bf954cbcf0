"""Critiques: how they are written and read, by a model and by a function."""

from types import SimpleNamespace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import Judge
from steelyard.data.critique import LABELS, Critic, Critique, CritiqueForm, ModelCritic, deciding, filled
from steelyard.data.function_critic import FunctionCritic


@pytest.mark.parametrize(("written", "label", "why"), [
    ("It opened in 1931.\nLabel: contradictory", "contradictory", "It opened in 1931."),
    ("Label: supported", "supported", ""),
    ("Label: unverified?\nThe page says so. Label: Supported.", "supported", "Label: unverified?\nThe page says so."),
    ("Label:unverified", "unverified", ""),
])  # fmt: skip
def test_a_critique_is_read_after_the_last_mark(written, label, why):
    assert CritiqueForm().read(written) == Critique(label, why)


@pytest.mark.parametrize(
    "written", ["", "supported", "Label: ", "Label: unsupported", "Label: supported\nLabel: maybe"]
)
def test_what_has_no_label_says_nothing(written):
    assert CritiqueForm().read(written) is None


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("why", ["", "since it does", "two\nlines"])
def test_what_is_written_is_read_back(label, why):
    assert CritiqueForm().read(CritiqueForm().written(Critique(label, why))) == Critique(label, why)


def test_braces_in_a_document_stay():
    form = CritiqueForm(template="{document}|{claim}|{prompt}")
    assert form.asked("who?", "{document}", "{claim} {x}") == "{claim} {x}|{document}|who?"
    assert form.asked([{"role": "user", "content": "who?"}], "c", "d") == "d|c|who?"
    assert filled("{a}{b}", {"a": "{b}", "b": "1"}) == "{b}1"


def test_a_form_without_a_place_for_the_document_or_a_mark_is_refused():
    with pytest.raises(SteelyardError, match=r"critic.template: has no \{document\}; write"):
        CritiqueForm(template="{claim}")
    with pytest.raises(SteelyardError, match=r"critic.template: .*claim"):
        CritiqueForm(template="{document}")
    with pytest.raises(SteelyardError, match=r"critic.mark: is empty"):
        CritiqueForm(mark=" ")


class Writer(SimpleNamespace):
    name = "writer"

    def __call__(self, questions, seed):
        self.asked = [question.prompt for question in questions]
        return [self.say(question.prompt) for question in questions]


def say(asked):
    """A document that names the claim supports it, one with a letter more than once contradicts all."""
    text = asked if isinstance(asked, str) else asked[0]["content"]
    document, claim = text.split("|")
    if document == "?":
        return "who knows"
    label = "supported" if claim in document else "contradictory" if "aa" in document else "unverified"
    return f"{document} says so\nLabel: {label}"


def test_one_document_that_supports_is_enough():
    """Each pair of document and claim is asked about once."""
    critic = ModelCritic(Writer(say=say), CritiqueForm(template="{document}|{claim}"))
    assert isinstance(critic, Critic) and isinstance(critic, Judge)
    documents = [["aa", "b"], ["aa", "b"], ["c"], "?", ["?", "c"], ["aa", "b"]]
    claims = ["b", "x", "x", "x", "x", "b"]
    found = critic.criticise(["p"] * 6, claims, documents=documents)
    assert found == [
        Critique("supported", "b says so"),
        Critique("contradictory", "aa says so"),
        Critique("unverified", "c says so"),
        None,
        Critique("unverified", "c says so"),
        Critique("supported", "b says so"),
    ]
    assert critic(["p"] * 6, claims, documents=documents) == [1.0, 0.0, 0.0, None, 0.0, 1.0]
    assert critic.writer.asked == ["aa|b", "b|b", "aa|x", "b|x", "c|x", "?|x"]
    chat = ModelCritic(Writer(say=say), critic.form, chat=True)
    assert chat.criticise(["p"], ["b"], documents=[["b"]]) == [Critique("supported", "b says so")]
    assert chat.writer.asked == [[{"role": "user", "content": "b|b"}]]


def test_nothing_decides_where_nothing_is_said():
    assert deciding([]) is None
    assert deciding([None]) is None


def test_a_function_gives_reasons_or_numbers(tmp_path):
    (tmp_path / "own.py").write_text(
        "def check(prompts, completions, documents, **columns):\n"
        "    return [1 if c in d else ('contradictory', d[0]) for c, d in zip(completions, documents)]\n"
        "def told(prompts, completions, said, **columns):\n"
        "    return said\n"
    )
    with FunctionCritic(f"{tmp_path}/own.py:check") as critic:
        assert isinstance(critic, Critic)
        found = critic.criticise(["p", "p"], ["a", "b"], documents=[["a"], ["c"]])
        assert found == [Critique("supported"), Critique("contradictory", "c")]
        assert critic(["p"], ["b"], documents=[["c"]]) == [0.0]
        assert critic.criticise([], []) == []
    with FunctionCritic(f"{tmp_path}/own.py:told") as critic:
        assert critic.criticise(["p"] * 3, ["a"] * 3, said=[0.4, 0.5, None]) == [
            Critique("unverified"), Critique("supported"), None,
        ]  # fmt: skip
        for said in ([], ["supported"], [("true", "x")], [("supported", None)], [("supported",)]):
            with pytest.raises(SteelyardError, match="return a list of 1 numbers or pairs of a label"):
                critic.criticise(["p"], ["a"], said=said)
