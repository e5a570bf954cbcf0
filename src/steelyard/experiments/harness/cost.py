"""What proofs cost: the sum over their records, and how many are quick."""

from collections.abc import Collection

from steelyard.experiments.harness.proof_record import ProofRecord

QUICK = 3.0
"""Minutes on one core, of a block that is quick."""


def core_minutes(record: ProofRecord) -> float:
    """What both blocks took, on one core."""
    return sum(block.core_minutes for block in record.blocks)


def cost_text(records: Collection[ProofRecord]) -> str:
    """All together in words."""
    quick = sum(all(block.core_minutes < QUICK for block in record.blocks) for record in records)
    minutes = sum(map(core_minutes, records))
    return f"{minutes:.0f} core minutes in all; a block takes under {QUICK:g} minutes on one core in {quick} of them"
