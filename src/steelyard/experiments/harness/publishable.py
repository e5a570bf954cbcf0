"""What may be published: a whole run on the seeds that its proof states, under the criterion of their first look."""

from collections.abc import Sequence

from steelyard.core import require
from steelyard.experiments.harness.proof_record import ProofRecord


def check_publishable(record: ProofRecord, seeds: Sequence[int], held: ProofRecord | None) -> None:
    """Refuse what must not be published.

    Args:
        record: what was found.
        seeds: those of the proof's first block.
        held: what was published before, if anything was.

    Raises:
        SteelyardError: a quick run, other seeds than the proof's, no replication of what is shown, or a criterion that
            changed under seeds that have been seen.
    """
    where = f"--publish of {record.id}"
    require(not record.quick, "it was a quick run", where=where, hint="leave --quick out")
    own = record.first.seeds == list(seeds)
    hint = "leave --seeds and --first-seed out: the proof states its seeds before the first of them"
    require(own, f"its seeds are {record.first.seeds}, not {list(seeds)}", where=where, hint=hint)
    whole = record.first.verdict != "shown" or record.later is not None
    what = "its first block is shown, and no later one was measured"
    require(whole, what, where=where, hint="leave --first-seed out")
    _check_fresh(record, held, where)


def _check_fresh(record: ProofRecord, held: ProofRecord | None, where: str) -> None:
    """Other claims take seeds that nobody has seen, and so does another measure, unless its figures are the same."""
    hint = "raise first_seed in the proof, and say so in docs/lab-notes.md"
    now = _seeds(record)
    seen = {seed for look in record.looks for seed in look.seeds if look.claims != record.claims_digest}
    if held is not None and held.claims_digest != record.claims_digest:
        seen |= _seeds(held)
    again = sorted(seen & now)
    what = f"the claims have changed, and seeds {again} were seen under the old ones"
    require(not again, what, where=where, hint=hint)
    if held is None or held.measure_digest is None:
        return
    if held.measure_digest != record.measure_digest and not _same_figures(record, held):
        again = sorted(_seeds(held) & now)
        what = f"it is measured in another way, and seeds {again} were seen in the old one"
        require(not again, what, where=where, hint=hint)


def _seeds(record: ProofRecord) -> set[int]:
    return {seed for block in record.blocks for seed in block.seeds}


def _same_figures(one: ProofRecord, other: ProofRecord) -> bool:
    return one.first.seeds == other.first.seeds and one.first.arms == other.first.arms
