from steelyard.experiments.harness.cost import core_minutes, cost_text
from steelyard.experiments.harness.proof_record import Block, ProofRecord


def block(minutes: float) -> Block:
    return Block([0, 1, 2], "shown", 0.01, [], "2026-01-01", "a machine", minutes, minutes, None)


def record(first: float, later: float | None = None) -> ProofRecord:
    again = None if later is None else block(later)
    return ProofRecord("toy", "all", [], "abc", "steelyard prove toy", block(first), again)


def test_the_sum_is_that_of_both_blocks():
    assert core_minutes(record(2.5, 1.5)) == 4.0
    assert core_minutes(record(2.5)) == 2.5
    assert len(record(2.5).blocks) == 1


def test_a_proof_is_quick_where_each_of_its_blocks_is():
    found = [record(2.5, 1.5), record(2.0, 3.0), record(2.9), record(30.0)]
    assert cost_text(found) == "42 core minutes in all; a block takes under 3 minutes on one core in 2 of them"
    assert cost_text([]) == "0 core minutes in all; a block takes under 3 minutes on one core in 0 of them"
