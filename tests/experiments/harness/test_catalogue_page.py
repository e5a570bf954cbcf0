from pathlib import Path

import pytest

from steelyard.check import import_rooms
from steelyard.core import cards, find
from steelyard.experiments.harness import card_text, catalogue_page
from steelyard.experiments.harness.proof_index import proof_of
from steelyard.experiments.harness.proof_record import ClaimRecord, ProofRecord

DOCS = Path(__file__).parents[3] / "docs"
import_rooms()


def claim(text, effect, interval, verdict, min_effect=0.03):
    return ClaimRecord(
        text, "f1", "saferoute", "entropy", min_effect, False, False, [0.9], [0.8], [0.8], effect, interval, verdict,
        0.0, "not shown",
    )  # fmt: skip


RECORD = ProofRecord(
    "saferoute", "too noisy", "not shown",
    [claim("beats | entropy", 0.1, (0.05, 0.15), "shown"), claim("beats luck", 0.04, None, "too noisy")],
    {"saferoute": {"f1": [0.9]}}, [0, 1, 2], False, "the guards", "abc", "steelyard prove saferoute", None,
    "2026-01-01", "a machine", 1.26, 0.7,
)  # fmt: skip


@pytest.fixture
def proven(monkeypatch):
    """One record: that above."""
    for home in (catalogue_page, card_text):
        monkeypatch.setattr(home, "published", lambda id: RECORD if id == "saferoute" else None)
    monkeypatch.setattr(card_text, "verdict_of", lambda id: "too noisy" if id == "saferoute" else None)


def test_the_page_in_the_docs_is_the_one_that_the_code_gives(tmp_path):
    assert (DOCS / "catalogue.md").read_text() == catalogue_page.text(DOCS), (
        "write it again: steelyard methods --page docs/catalogue.md"
    )
    catalogue_page.write(tmp_path / "catalogue.md")
    assert (tmp_path / "catalogue.md").read_text() == catalogue_page.text(tmp_path)


def test_every_method_has_its_row_with_a_file_that_is_there():
    page = catalogue_page.text(DOCS)
    for card in cards():
        if card.cls.__module__.startswith("steelyard."):
            (row,) = [line for line in page.splitlines() if line.startswith(f"| [{card.id}](../src/")]
            assert (DOCS / row.partition("](")[2].partition(")")[0]).is_file()
            assert (card.paper or "") in row


def test_a_record_gives_a_row_for_each_claim_and_a_picture_where_there_is_one(proven, tmp_path):
    page = catalogue_page.text(tmp_path)
    assert "| saferoute | beats \\| entropy | 0.1 [0.05, 0.15], claimed 0.03 | not shown | **shown** | 1.3 |" in page
    assert "|  | beats luck | 0.04, claimed 0.03 | not shown | **too noisy** |" in page
    assert "| too noisy |" in page
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs/saferoute.png").touch()
    assert "| [saferoute](proofs/saferoute.png) | beats" in catalogue_page.text(tmp_path)


def test_a_card_explains_itself(proven):
    text = card_text.explain(find("saferoute"))
    for part in (
        "score(x) = mean over K draws", "Source: Lee et al.", "Differs", "hidden = 512", "Width of the hidden layer",
        "claim: ", "proof: steelyard prove saferoute", "too noisy", "beats luck: 0.04, claimed 0.03",
    ):  # fmt: skip
        assert part in text
    data = card_text.data_of(find("saferoute"))
    assert (data["verdict"], data["proof"]) == ("too noisy", "steelyard prove saferoute")
    assert data["help"]["hidden"] == "Width of the hidden layer."
    assert data["claims"][0]["interval"] == (0.05, 0.15)
    assert "score(x)" in data["equation"]
    assert data["source"].endswith("arXiv:2502.12464.")
    assert "the KL is averaged" in data["differs"]


def test_who_has_no_proof_has_no_verdict(proven):
    data = card_text.data_of(find("dpo"))
    assert (data["verdict"], data["proof"], data["claims"], data["differs"]) == ("", None, [], None)
    assert "proof" not in card_text.explain(find("dpo"))
    assert "excused from:\n  task-splits: " in card_text.explain(find("enumerable"))


def test_methods_that_share_a_proof_share_its_verdict():
    assert proof_of("crpg") == proof_of("cgpo") == "cgpo"
    assert card_text.proven(find("crpg")) == card_text.proven(find("cgpo")) == "shown"
