"""Drafts: their claims, and how one moves to its next paragraph, by hand."""

import pytest

from steelyard.data import FenCE, records_of
from steelyard.data.drafts import Draft, Edit, Response, after, claims_of, moved

[RECORD] = records_of([("line 1", {"prompt": "ada?"})])
DRAFT = Draft(RECORD, "ada?", 0, "A. C.\n\nX.", "A. C.\n\nX.")
REMOVED = Edit("C.", "unverified", "", "")


def test_blanks_around_a_claim_stay_with_it():
    claims = claims_of(DRAFT, "so: ", "A.  B.\nC.", FenCE().split)
    assert [one.before for one in claims] == ["so: ", "so: A.  ", "so: A.  B.\n"]
    assert [one.text for one in claims] == ["A.  ", "B.\n", "C."]


@pytest.mark.parametrize(("edits", "done", "left"), [
    ((None, None), "A. C.\n\n", "X."),
    ((None, REMOVED), "A.\n\n", None),
    ((REMOVED, REMOVED), "", None),
    ((Edit("A.", "contradictory", "", "B."), None), "B. C.\n\n", None),
])  # fmt: skip
def test_a_draft_moves(edits, done, left):
    cut = ["A. C.\n\n", "X."]
    found = moved(DRAFT, cut, claims_of(DRAFT, "", cut[0], r"(?<=[.])\s+"), edits)
    assert (found.done, found.left) == (done, left)
    assert found.edits == tuple(edit for edit in edits if edit)


def test_the_last_paragraph_has_no_rest_to_be_written():
    found = moved(DRAFT, ["C."], claims_of(DRAFT, "", "C.", r"\s"), [REMOVED])
    assert (found.done, found.left, found.text) == ("", "", "")
    assert moved(found, [], [], []) is found
    assert DRAFT.text == DRAFT.sampled


def test_what_claims_nothing_scores_nothing():
    assert Response(DRAFT, "", 0, 0).score == 0
    assert Response(DRAFT, "", 1, 4).score == 0.25


def test_a_chat_goes_on_in_an_open_turn():
    messages = [{"role": "user", "content": "ada?"}]
    assert after("ada?", "A.") == "ada?A."
    assert after(messages, "") == messages
    assert after(messages, "A.") == [*messages, {"role": "assistant", "content": "A."}]
