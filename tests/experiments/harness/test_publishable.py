import msgspec
import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness.proof_record import Block, Look, ProofRecord
from steelyard.experiments.harness.publishable import check_publishable

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
