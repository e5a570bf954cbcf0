from pathlib import Path

import msgspec
import pytest

from steelyard.check import import_rooms
from steelyard.core import cards, find
from steelyard.experiments.harness import card_text, catalogue_page, evidence
from steelyard.experiments.harness.proof_index import proof_of
from steelyard.experiments.harness.proof_record import (
    Among,
    Block,
    ClaimFigures,
    ClaimRecord,
    NullRate,
    ProofRecord,
    Scale,
)
from steelyard.experiments.harness.standing import standings

DOCS = Path(__file__).parents[3] / "docs"
import_rooms()


def found(effect, interval, verdict, control=None):
    return ClaimFigures(effect, interval, 0.03, verdict, 0.0, control, [0.9], [0.8], [0.8])


def claim(text, **more):
    return ClaimRecord(text, "f1", "saferoute", "entropy", 0.03, **more)


def block(*claims, seeds=(0, 1, 2), verdict="shown"):
    return Block([*seeds], verdict, 0.03, [*claims], "2026-01-01", "a machine", 1.26, 0.7, None)


RECORD = ProofRecord(
    "saferoute", "the guards",
    [claim("beats | entropy", control="saferoute-off"), claim("beats luck", kind="ablation")],
    "abc", "steelyard prove saferoute",
    block(found(0.1, (0.05, 0.15), "shown", "not shown"), found(0.04, (0.035, 0.045), "shown")),
    block(found(0.2, (0.15, 0.25), "shown", "not shown"), found(0.03, None, "too noisy"), verdict="too noisy"),
    scale=Scale(12_300, 4_000_000), conformance={"saferoute": 11}, trials={"saferoute": 7, "entropy": 3},
)  # fmt: skip


NULL = NullRate(400, 16, 0.04, (0.025, 0.06), 1, 0.0025, (0.0, 0.012), 3)


@pytest.fixture
def proven(monkeypatch):
    """One record: that above."""
    monkeypatch.setattr(catalogue_page, "null_rate", lambda: NULL)
    for home in (catalogue_page, card_text):
        monkeypatch.setattr(home, "verdicts", lambda: {"saferoute": RECORD})


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


def test_a_record_gives_its_row_and_its_rubric_and_a_picture_where_there_is_one(proven, tmp_path):
    page = catalogue_page.text(tmp_path)
    assert (
        "| saferoute | **not replicated** | shown (seeds 0 to 2) | too noisy (seeds 0 to 2) | 0.03 | 0.03 "
        "| 12.3k parameters, 4.00M tokens | saferoute 7, entropy 3 | 0 | 2.5 |"
    ) in page
    assert "| saferoute | equation | saferoute conforms to its kind | 11 checks passed |  |  | **shown** |" in page
    assert (
        "| saferoute | claim | beats \\| entropy | 0.1 [0.05, 0.15], claimed 0.03 | 0.2 [0.15, 0.25]: shown "
        "| not shown | **shown** |"
    ) in page
    assert "| saferoute | ablation | beats luck | 0.04 [0.035, 0.045], claimed 0.03 | 0.03: too noisy |  |" in page
    assert "1 proofs, 0 shown and 0 refuted" in page
    assert (
        "called shown in 16 of 400 first blocks (4.0 % [2.5, 6.0]) and in both blocks in 1 (0.2 % [0.0, 1.2])" in page
    )
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs/saferoute.svg").touch()
    assert "| [saferoute](proofs/saferoute.svg) | **not" in catalogue_page.text(tmp_path)


def test_a_proof_whose_arms_learn_nothing_had_no_rate_to_choose():
    untried = msgspec.structs.replace(RECORD, trials=None)
    assert card_text.trials_text(untried) == "no learning rate to choose"
    assert card_text.trials_text(msgspec.structs.replace(untried, id="topr")) == "not counted"
    assert card_text.trials_text(RECORD) == "saferoute 7, entropy 3"


def test_the_page_says_which_records_were_measured_in_another_way(monkeypatch, tmp_path):
    records = {"saferoute": msgspec.structs.replace(RECORD, measure_digest="other"), "dump": RECORD}
    monkeypatch.setattr(catalogue_page, "verdicts", lambda: records)
    page = catalogue_page.text(tmp_path)
    assert "Measured in another way since, to be proved again: `saferoute`." in page
    assert "From before records said how they were measured: `dump`." in page


def test_the_page_says_where_other_proofs_changed_a_verdict(monkeypatch, tmp_path):
    mine = msgspec.structs.replace(RECORD, later=RECORD.first, among=Among(1, 0.03))
    other = msgspec.structs.replace(RECORD, id="dump", first=msgspec.structs.replace(RECORD.first, p=None))
    others = {id: msgspec.structs.replace(other, id=id) for id in ("dump", "hpt", "topr")}
    monkeypatch.setattr(catalogue_page, "verdicts", lambda: {"saferoute": mine, **others})
    page = catalogue_page.text(tmp_path)
    assert "`saferoute` shown among 1 proofs (adjusted p 0.03), lost among many among 4 (0.12)." in page


def test_a_control_that_need_not_fail_is_never_beside_one_that_must():
    for record in evidence.verdicts().values():
        for claim, figures in zip(record.claims, record.first.claims, strict=True):
            assert (figures.control_verdict is None) == (claim.control is None)


def test_a_card_explains_itself(proven):
    text = card_text.explain(find("saferoute"))
    for part in (
        "score(x) = mean over K draws", "Source: Lee et al.", "Differs", "hidden = 512", "Width of the hidden layer",
        "claim: ", "proof: steelyard prove saferoute\n  not replicated", "first block: shown; seeds 0, 1, 2; p 0.03",
        "ablation: beats luck: 0.04 [0.035, 0.045], claimed 0.03 (shown)", "scale: 12.3k parameters, 4.00M tokens",
        "settings tried: saferoute 7, entropy 3; looks at these seeds: 0",
        "adjusted p among 1 proofs: 0.03", "later block: too noisy",
    ):  # fmt: skip
        assert part in text
    data = card_text.data_of(find("saferoute"))
    assert (data["verdict"], data["proof"]) == ("not replicated", "steelyard prove saferoute")
    assert data["replicated"] is False
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
    found, _ = standings(evidence.verdicts())["cgpo"]
    assert card_text.proven(find("crpg")) == card_text.proven(find("cgpo")) == found
