"""FenCE: what becomes of claims by hand, how responses go on, are ranked and paired, and its edges."""

import re
from types import SimpleNamespace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import FenCE, Tools, records_of
from steelyard.data.critique import Critique

ROW = {"prompt": "ada?", "documents": ["A and B2 are so."]}
RIGHT = {"A.", "B2.", "D."}
WHY = {"B.": "it is B2", "C.": "no page says C", "X?": "?"}


class Writer(SimpleNamespace):
    """Says `said[prompt][sample]`; knows nothing of C, and mends B as the critique says."""

    name = "writer"

    def __call__(self, questions, seed):
        self.asked += questions
        return [self.say(question) for question in questions]

    def say(self, question):
        asked = question.prompt if isinstance(question.prompt, str) else question.prompt[-1]["content"]
        if asked.endswith("unknown.\n"):
            return "Unknown, I fear." if "\nC." in asked else "false"
        if "Corrected" in asked:
            return "\n B2. \nand more" if "\nB.\nThis is wrong: it is B2\n" in asked else ""
        return self.said[asked][question.sample]


class Critic(SimpleNamespace):
    """Knows what is right, and says why not; cannot tell what ends in a question mark."""

    name = "critic"

    def __call__(self, prompts, completions, **columns):
        raise AssertionError("it is asked for reasons")

    def criticise(self, prompts, claims, /, **columns):
        self.told.append({"prompts": prompts, "claims": claims, **columns})
        return [self.say(claim) for claim in claims]

    def say(self, claim):
        if claim.endswith("?"):
            return None
        return Critique("supported" if claim in RIGHT else "contradictory", WHY.get(claim, "no"))


def built(said, rows=(ROW,), judge=None, seed=0, **settings):
    writer = Writer(asked=[], said=said)
    critic = judge or Critic(told=[])
    records = records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))
    few = {"samples": len(next(iter(said.values()))), "top": 1}
    return FenCE(**few | settings).build(records, records, Tools(seed, writer, critic)), writer, critic


def test_by_hand():
    """A stays, B is corrected by its critique, and C, of which the generator knows nothing, is removed."""
    [record], writer, critic = built({"ada?": ["A. B. C."]})
    assert record.fields == {
        **ROW,
        "answer": "A. B2.",
        "chosen": "A. B2.",
        "rejected": "A. B. C.",
        "score": 1.0,
        "rejected_score": 1 / 3,
        "supported": 2,
        "claims": 2,
        "sampled": "A. B. C.",
        "edits": [
            {"claim": "B.", "label": "contradictory", "critique": "it is B2", "now": "B2."},
            {"claim": "C.", "label": "contradictory", "critique": "no page says C", "now": ""},
        ],
    }
    assert record.origin.asked == {"generator": "writer", "judge": "critic"}
    assert "A and B2" not in "".join(q.prompt for q in writer.asked), "the generator sees no documents"
    assert critic.told[0] == {
        "prompts": ["ada?"] * 3,
        "claims": ["A.", "B.", "C."],
        "prompt": ["ada?"] * 3,
        "documents": [ROW["documents"]] * 3,
        "said_before": ["", "A. ", "A. B. "],
    }


def test_edit_all_rewrites_what_the_generator_does_not_know():
    """It is not even asked; a claim whose rewriting is blank is removed all the same."""
    [record], writer, _ = built({"ada?": ["A. B. C."]}, lesser_known="rewrite")
    assert [edit["now"] for edit in record.fields["edits"]] == ["B2.", ""]
    assert not any("Is it true?" in question.prompt for question in writer.asked)
    assert sum("Corrected" in question.prompt for question in writer.asked) == 2


def test_without_rounds_responses_are_ranked_alone():
    """The share of supported claims decides, of equal ones their number, of equal responses one stays."""
    said = {"ada?": ["C. A.", "A.", "B. C.", "A. D.", "A. D."]}
    found, writer, _ = built(said, rounds=0, top=3)
    assert [record.fields["answer"] for record in found] == ["A. D.", "A.", "C. A."]
    assert [record.fields["score"] for record in found] == [1.0, 1.0, 0.5]
    assert all(record.fields["edits"] == [] for record in found)
    assert len(writer.asked) == 5
    assert {record.fields["rejected"] for record in found[:2]} <= {"C. A.", "B. C."}
    assert found[2].fields["rejected"] == "B. C."


def test_what_follows_a_revised_paragraph_is_written_anew():
    """Each round revises a paragraph; the second is what the generator says after the first was mended."""
    said = {"ada?": ["B.\n\nX."], "ada?B2.\n\n": ["A.\n\nC. D.\n\nX."], "ada?B2.\n\nA.\n\nD.\n\n": ["Y. A."]}
    [record], writer, _ = built(said)
    assert record.fields["answer"] == "B2.\n\nA.\n\nD.\n\nY. A.", "after three rounds the rest stands"
    assert (record.fields["supported"], record.fields["claims"]) == (4, 5)
    assert record.fields["sampled"] == "B.\n\nX."
    asked = [q.prompt for q in writer.asked if q.prompt.startswith("ada?") and "\nB." not in q.prompt]
    assert [one for one in asked if "true" not in one and "wrong" not in one] == [*said]
    [two], _, _ = built(said, rounds=2)
    assert two.fields["answer"] == "B2.\n\nA.\n\nC. D.\n\nX."


def test_a_paragraph_that_lost_its_last_claim_ends_as_it_did():
    [record], _, _ = built({"ada?": ["A. C.\n\nX."], "ada?A.\n\n": ["D."]})
    assert record.fields["answer"] == "A.\n\nD."
    [record], writer, _ = built({"ada?": ["C.\n\nA."]}, rounds=2)
    assert record.fields["answer"] == "C.\n\nA.", "where a whole paragraph is removed, it begins anew"
    assert [question.prompt for question in writer.asked].count("ada?") == 3


def test_a_chat_is_asked_in_messages():
    messages = [{"role": "user", "content": "ada?"}]
    for settings, row in (({"chat": True}, ROW), ({}, ROW | {"prompt": messages})):
        [record], writer, _ = built({"ada?": ["A. B."]}, rows=[row], **settings)
        assert record.fields["prompt"] == messages
        assert record.fields["answer"] == "A. B2."
        assert all(isinstance(question.prompt, list) for question in writer.asked)


def test_where_nothing_is_left_it_says_so_unless_another_response_says_something():
    [record], _, _ = built({"ada?": ["C.", "C. C."]}, top=2)
    assert [record.fields[name] for name in ("answer", "score", "claims")] == ["I do not know.", 0.0, 0]
    assert record.fields["rejected"] == record.fields["chosen"], "nothing scores lower: no pair"
    [record], _, _ = built({"ada?": ["C.", "A."]}, top=2)
    assert record.fields["answer"] == "A."
    assert record.fields["rejected"] in {"C.", "I do not know."}
    assert built({"ada?": ["C."]}, nothing="")[0] == []
    [record], _, critic = built({"ada?": ["I do not know."]}, rounds=0)
    assert (record.fields["claims"], critic.told[-1]["claims"]) == (0, []), "to know nothing claims nothing"


def test_rejected_responses_are_revised_ones_where_it_is_said():
    said = {"ada?": ["B.", "X. A."]}
    assert built(said, rounds=1)[0][0].fields["rejected"] in {"B.", "X. A."}
    [record], _, _ = built(said, rounds=1, rejected="revised")
    assert (record.fields["answer"], record.fields["rejected"]) == ("B2.", "B2.")


def test_a_response_with_a_claim_that_the_judge_cannot_tell_is_not_used():
    found, _, _ = built({"ada?": ["A. X?", "B."]}, top=2)
    assert [(r.fields["answer"], r.fields["rejected"]) for r in found] == [("B2.", "B.")]
    assert built({"ada?": ["X?", " "]})[0] == []


def test_a_judge_of_numbers_will_do():
    """Then the generator rewrites without reasons."""

    class Numbers(SimpleNamespace):
        name = "numbers"

        def __call__(self, prompts, completions, **columns):
            return [0.4 if said in RIGHT else 0.3 for said in completions]

    [record], _, _ = built({"ada?": ["A. B."]}, judge=Numbers(), threshold=0.35)
    assert record.fields["answer"] == "A."
    assert record.fields["edits"] == [{"claim": "B.", "label": "unverified", "critique": "", "now": ""}]


def test_the_lot_falls_by_record_and_seed():
    said = {f"{i}?": ["A.", "B. B. C.", "C. B. B."] for i in range(20)}
    rows = [{"prompt": prompt, "documents": ["d"]} for prompt in said]
    drawn = [[r.fields["rejected"] for r in built(said, rows, seed=seed, rounds=0)[0]] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {*drawn[0]} == {"B. B. C.", "C. B. B."}


def test_rows_say_what_factuality_and_coverage_are():
    rows = [{"prompt": prompt, "documents": ["d"]} for prompt in ("a?", "b?")]
    found, _, _ = built({"a?": ["A. B. C. D."], "b?": ["D."]}, rows, rounds=0)
    assert sum(r.fields["supported"] for r in found) / sum(r.fields["claims"] for r in found) == 3 / 5
    assert sum(r.fields["supported"] for r in found) / len(found) == 1.5


@pytest.mark.parametrize(("settings", "message"), [
    ({"split": "("}, "fence.split: is no regular expression"),
    ({"paragraph": "("}, "fence.paragraph: is no regular expression"),
    ({"unknown": " "}, "fence.unknown: is empty"),
    ({"samples": 0}, "fence.samples: is 0"),
    ({"top": 0}, "fence.top: is 0"),
    ({"rounds": -1}, "fence.rounds: is -1"),
    ({"ask": "what?"}, "fence.ask"),
    ({"rewrite": "what?"}, "fence.rewrite"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(SteelyardError, match=re.escape(message)):
        FenCE(**settings)
    assert [column.name for column in FenCE(documents_column="").columns()] == ["prompt"]


def test_a_column_that_hides_an_argument_is_refused():
    with pytest.raises(SteelyardError, match="--rows: prompts would hide an argument of the judge; rename the column"):
        built({"ada?": ["A."]}, rows=[ROW | {"prompts": "b"}])


def test_blanks_around_a_claim_stay():
    [record], _, _ = built({"ada?": ["A.  B.\nD."]})
    assert record.fields["answer"] == "A.  B2.\nD."
