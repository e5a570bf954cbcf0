import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.criterion import claims_digest
from steelyard.experiments.harness.evidence import look_at, looks, read_all, trials, verdicts
from steelyard.experiments.harness.proof_index import load, proof_modules
from steelyard.experiments.harness.proof_plot import picture
from steelyard.experiments.harness.proof_record import (
    without_figures,
)

DOCS = evidence.ROOT / "docs"
RECORDS = read_all(DOCS / "evidence")


def test_a_look_is_entered_once_a_day(tmp_path):
    assert looks(tmp_path, "toy") == []
    for _ in range(2):
        look_at(tmp_path, "toy", [0, 1], "first", "abc")
    look_at(tmp_path, "toy", [2, 3], "later", "abc")
    assert [(look.block, look.seeds, look.claims) for look in looks(tmp_path, "toy")] == [
        ("first", [0, 1], "abc"),
        ("later", [2, 3], "abc"),
    ]
    (tmp_path / "looks" / "toy.jsonl").write_text("{}\n")
    with pytest.raises(SteelyardError, match=r"toy.jsonl: is damaged"):
        looks(tmp_path, "toy")


def test_trials_are_counted_by_arm_and_setting(tmp_path):
    assert trials(tmp_path, "toy") is None
    file = tmp_path / "trials" / "toy.jsonl"
    file.parent.mkdir()
    rows = [("ours", 1e-3), ("ours", 1e-3), ("ours", 3e-3), ("base", 1e-3)]
    file.write_text("".join(f'{{"arm": "{arm}", "settings": {{}}, "rate": {rate}}}\n' for arm, rate in rows))
    assert trials(tmp_path, "toy") == {"ours": 2, "base": 1}


def test_the_package_carries_the_verdicts_of_the_records():
    assert dict(verdicts()) == {id: without_figures(record) for id, record in RECORDS.items()}, (
        "write them again: python -m steelyard.experiments.harness.publish"
    )


@pytest.mark.parametrize("id", RECORDS)
def test_a_record_was_judged_by_the_claims_of_today(id):
    record = RECORDS[id]
    proof = load(proof_modules()[id])
    assert record.claims_digest == claims_digest(proof), f"{id}: the claims changed; raise first_seed, prove again"
    assert {proof.ours, proof.control} <= {*record.first.arms}
    assert len(record.claims) == len(record.first.claims) == len(proof.claims)
    assert record.looks
    assert (DOCS / "proofs" / f"{id}.svg").read_text() == picture(record)


def test_a_hundred_and_sixty_pictures_and_records_stay_small():
    sizes = [file.stat().st_size for place in ("proofs", "evidence") for file in (DOCS / place).glob("*.*")]
    assert 160 / len(RECORDS) * sum(sizes) < 5e6
