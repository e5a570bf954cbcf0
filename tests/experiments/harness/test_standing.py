import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.experiments.harness.proof_record import Among, Block, ClaimFigures, ClaimRecord, ProofRecord
from steelyard.experiments.harness.standing import adjusted, changed_by_others, standings

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def block(verdict="shown", p: float | None = 0.01) -> Block:
    return Block([0, 1, 2], verdict, p, [], "2026-01-01", "a machine", 1.0, 1.0, None)


def record(verdict="shown", p: float | None = 0.01, later: str | None = "shown", **more) -> ProofRecord:
    return ProofRecord(
        "mine", "all", [], "abc", "steelyard prove mine", block(verdict, p), block(later) if later else None, **more
    )


def test_benjamini_and_hochberg_by_hand():
    # p m / rank: .01 x 4 / 1 = .04, .02 x 4 / 2 = .04, .06 x 4 / 3 = .08, unknown is 1.
    assert adjusted({"a": 0.02, "b": 0.06, "c": None, "d": 0.01}) == pytest.approx(
        {"a": 0.04, "b": 0.08, "c": 1.0, "d": 0.04}
    )
    assert adjusted({}) == {}


def named(values) -> dict[str, float | None]:
    return {str(number): p for number, p in enumerate(values)}


@given(P_VALUES)
def test_an_adjusted_p_is_no_smaller_and_keeps_the_order(values):
    found = adjusted(named(values))
    assert all(found[id] >= p - 1e-12 for id, p in named(values).items() if p is not None)
    in_order = [found[str(number)] for number in sorted(range(len(values)), key=lambda n: values[n])]
    assert in_order == sorted(in_order)


@given(P_VALUES, st.floats(0, 1))
def test_a_proof_more_with_the_largest_p_never_makes_another_smaller(values, extra):
    before = adjusted(named(values))
    after = adjusted({**named(values), "more": max([extra, *values])})
    assert all(after[id] >= before[id] - 1e-12 for id in before)


@given(P_VALUES, st.floats(0, 1))
def test_no_proof_more_takes_a_p_below_its_own(values, extra):
    after = adjusted({**named(values), "more": extra})
    assert all(after[id] >= p - 1e-12 for id, p in named(values).items() if p is not None)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (record(), "shown"),
        (record("not shown", 0.8, None), "not shown"),
        (record("too noisy", 0.2, None), "too noisy"),
        (record(later=None), "not yet replicated"),
        (record(later="too noisy"), "not replicated"),
        (record(p=None), "lost among many"),
        (record(p=0.2), "lost among many"),
    ],
)
def test_shown_takes_the_verdict_the_correction_and_the_replication(found, standing):
    assert standings({"mine": found})["mine"][0] == standing


@pytest.mark.parametrize(
    ("claim", "interval", "standing"),
    [
        ({"min_effect": 0.2}, (0.05, 0.19), "refuted"),
        ({"min_effect": 0.2}, (0.05, 0.2), "not shown"),  # .2 is not ruled out
        ({"min_effect": 0.2}, None, "not shown"),
        # A fifth less is -log .8 = .223, a fifth more log 1.2 = .182.
        ({"min_effect": 0.2, "relative": True, "lower_is_better": True}, (0.1, 0.222), "refuted"),
        ({"min_effect": 0.2, "relative": True}, (0.1, 0.183), "not shown"),
    ],
)
def test_it_is_refuted_where_a_whole_interval_lies_below_what_was_claimed(claim, interval, standing):
    first = msgspec.structs.replace(block("not shown", 0.9), claims=[ClaimFigures(0.12, interval, 0.9, "not shown")])
    claims = [ClaimRecord("more", "score", "mine", "other", **claim)]
    assert standings({"mine": msgspec.structs.replace(record(), claims=claims, first=first)})["mine"][0] == standing


def test_a_verdict_that_other_proofs_changed_is_told():
    mine = record(p=0.04, among=Among(1, 0.04))
    others = {str(number): record("not shown", 0.9, None) for number in range(9)}
    assert changed_by_others({"mine": mine}) == {}
    told = changed_by_others({"mine": mine, **others})
    assert told == {"mine": "shown among 1 proofs (adjusted p 0.04), lost among many among 10 (0.4)"}
    assert changed_by_others({"mine": msgspec.structs.replace(mine, among=None), **others}) == {}
