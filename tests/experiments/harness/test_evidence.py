import msgspec
import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.criterion import claims_digest
from steelyard.experiments.harness.evidence import look_at, looks, read_all, trials, verdicts
from steelyard.experiments.harness.proof_index import load, proof_modules
from steelyard.experiments.harness.proof_plot import picture
from steelyard.experiments.harness.proof_record import (
    Block,
    Look,
    ProofRecord,
    check_publishable,
    without_figures,
)

DOCS = evidence.ROOT / "docs"
RECORDS = read_all(DOCS / "evidence")
ARMS = {"ours": {"score": [2.0, 2.1, 2.2]}}
FIRST = Block([0, 1, 2], "shown", 0.01, [], "2026-01-01", "a machine", 3.0, 1.5, None, arms=ARMS)
LATER = msgspec.structs.replace(FIRST, seeds=[3, 4, 5])
RECORD = ProofRecord("toy", "all", [], "abc", "steelyard prove toy", FIRST, LATER)


def changed(**changes) -> ProofRecord:
    return msgspec.structs.replace(RECORD, **changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quick": True}, "quick run"),
        (
            {"first": msgspec.structs.replace(FIRST, seeds=[0, 1])},
            r"its seeds are \[0, 1\], not \[0, 1, 2\]; leave --seeds",
        ),
        ({"first": msgspec.structs.replace(FIRST, seeds=[900, 901, 902])}, "its seeds are .*900"),
        ({"later": None}, "no later one was measured"),
    ],
)
def test_what_may_not_be_published(changes, why):
    check_publishable(RECORD, range(3), None)
    with pytest.raises(SteelyardError, match=why):
        check_publishable(changed(**changes), range(3), None)


def test_what_is_not_shown_needs_no_later_block():
    check_publishable(changed(first=msgspec.structs.replace(FIRST, verdict="not shown"), later=None), range(3), None)


def test_other_claims_take_seeds_that_nobody_has_seen():
    held = changed(claims_digest="other", first=msgspec.structs.replace(FIRST, seeds=[2, 3, 4]), later=None)
    with pytest.raises(SteelyardError, match=r"seeds \[2, 3, 4\] were seen under the old ones; raise first_seed"):
        check_publishable(RECORD, range(3), held)
    looked = changed(looks=[Look("2026-01-01", None, [1], "first", "other")])
    with pytest.raises(SteelyardError, match=r"seeds \[1\] were seen"):
        check_publishable(looked, range(3), None)  # nothing was published, and yet they were seen
    fresh = changed(claims_digest="other", first=msgspec.structs.replace(FIRST, seeds=[7, 8, 9]), later=None)
    check_publishable(RECORD, range(3), fresh)


def test_another_measure_takes_fresh_seeds_unless_its_figures_are_the_same():
    now = changed(measure_digest="new")
    check_publishable(now, range(3), RECORD)  # an old record does not know how it was measured
    check_publishable(now, range(3), changed(measure_digest="old"))
    other = msgspec.structs.replace(FIRST, arms={"ours": {"score": [2.0, 2.1, 9.0]}})
    with pytest.raises(SteelyardError, match=r"measured in another way, and seeds \[0, 1, 2, 3, 4, 5\] were seen"):
        check_publishable(now, range(3), changed(measure_digest="old", first=other))


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
