"""Which published records are what would be measured today: these are taken as they are, and nothing is repeated.

A record is current where the criterion and its seeds are those of the proof as it stands, both blocks are there, and
the source files that its arms reached, and the libraries, say what they said then.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.criterion import claims_digest, measure_digest
from steelyard.experiments.harness.proof import AnyProof
from steelyard.experiments.harness.proof_index import file_of_module, load
from steelyard.experiments.harness.proof_record import ProofRecord
from steelyard.worlds import code_reached


def current(modules: Mapping[str, str], say: Callable[[str], None]) -> dict[str, ProofRecord]:
    """The records of the source tree that are current, by id; none where this is no source tree.

    Args:
        modules: id of a proof -> its module.
        say: called with a line for each proof: its record is current, or why it is measured again.

    Raises:
        SteelyardError: a record is damaged.
    """
    if not evidence.in_source_tree():
        return {}
    published = evidence.read_all(evidence.evidence())
    found = {}
    for id, module in modules.items():
        record = published.get(id)
        reason = "it has no record" if record is None else why_not(record, load(module), file_of_module(module))
        if record is not None and not reason:
            say(f"{id}: its record of {record.first.date} is current")
            found[id] = record
        else:
            say(f"{id}: to be measured: {reason}")
    return found


def why_not(record: ProofRecord, proof: AnyProof, file: Path) -> str:
    """Why a record is not what would be measured today; empty where it is.

    Args:
        record: what was found.
        proof: as it stands.
        file: the proof's; its arms and claims enter by the digests.
    """
    if record.claims_digest != claims_digest(proof):
        return "something else is claimed now"
    if record.measure_digest is None or record.code is None:
        return "its record does not say how it was measured, and by which code"
    if record.measure_digest != measure_digest(proof):
        return "it is measured in another way now"
    if record.first.seeds != [*proof.block(later=False)]:
        return "it takes other seeds now"
    if record.first.verdict == "shown" and (record.later is None or record.later.seeds != [*proof.block(later=True)]):
        return "its later block is not there"
    if record.code.libraries != code_reached.versions():
        return "Python or a library is another one now"
    changed = code_reached.changed(record.code.files, criterion=file)
    return f"code that it uses has changed ({', '.join(changed[:3])})" if changed else ""
