"""Claims from a file: their columns, the three parts, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.core import SteelyardError
from steelyard.guard.claims import LEFT_OUT, Claim, ClaimFile

ROWS = [{"text": f"claim {i}", "label": "hallucinated" if i % 4 == 0 else "true"} for i in range(200)]


def written(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    path = tmp_path / "claims.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_a_row_is_a_claim(tmp_path: Path) -> None:
    told = {"rationale": "It is not.", "question": "What is it?", "answer": "A lake."}
    path = written(tmp_path, [{"text": "a", "label": "hallucinated", **told}, {"text": "b", "label": "fine"}] * 2)
    claims, notes = ClaimFile().claims(path)
    assert claims == [Claim("a", True, **told), Claim("b", False)]
    assert sum(notes.values()) == 2


def test_the_parts_share_nothing_and_only_what_is_learned_from_is_balanced(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    train, validation, held_out, notes = ClaimFile().splits(path)
    texts = [claim.text for part in (train, validation, held_out) for claim in part]
    assert len(texts) == len({*texts}) == 200 - notes[LEFT_OUT]
    assert sum(c.hallucinated for c in train) * 2 == len(train)
    for part in (validation, held_out):
        assert 0.1 < sum(c.hallucinated for c in part) / len(part) < 0.45
    every = ClaimFile(balanced=False).splits(path)
    assert len(every.train) == len(train) + notes[LEFT_OUT]
    assert (every.validation, every.held_out) == (validation, held_out)
    sizes = {"train": len(every.train), "validation": len(validation), "held_out": len(held_out)}
    assert every.facts() == {**sizes, "hallucinated": 50, "notes": {}}
    turned = ClaimFile().splits(written(tmp_path, ROWS[::-1]))
    assert {claim.text for claim in turned.train} == {claim.text for claim in train}, "the order of rows moves none"


@pytest.mark.parametrize(("rows", "said"), [
    ([{"text": "a", "label": "true", "question": "q"}], "line 1: it has a question without an answer; write '"),
    ([{"text": "a", "label": "true", "answer": "q"}], "line 1: it has an answer without a question"),
    ([{"text": "a", "label": "true", "rationale": 3}], "line 1: column 'rationale' is 3; write a text"),
    ([{"text": "a"}], "line 1: has no label in column 'label'"),
    (ROWS[1:4] * 2, "0 are harmful"),
])  # fmt: skip
def test_what_is_no_claim_is_refused(rows: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=said):
        ClaimFile().splits(written(tmp_path, rows))


def test_a_part_of_one_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=r"claims to choose the threshold by, \d+ are hallucinated; give more"):
        ClaimFile(validation_share=0.001).splits(written(tmp_path, ROWS))
