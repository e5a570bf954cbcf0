"""Records of proofs into the source tree, and all that is made from them: verdicts, plots and the catalogue.

`python -m steelyard.experiments.harness.publish` makes these anew from docs/evidence.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from steelyard.check import check_method, import_rooms
from steelyard.core import SteelyardError, find
from steelyard.experiments.harness import catalogue_page, evidence, readme_table
from steelyard.experiments.harness.processes import keep
from steelyard.experiments.harness.proof_plot import draw
from steelyard.experiments.harness.proof_record import Among, ProofRecord
from steelyard.experiments.harness.standing import adjusted
from steelyard.runtime.run_dir.disk import put, writing


def publish(records: Mapping[str, ProofRecord], proves: Mapping[str, tuple[str, ...]]) -> None:
    """Enter records into docs/evidence, and make the verdicts, the plots and the catalogue anew.

    Args:
        records: id of a proof -> record, all of them fit to be published.
        proves: id of a proof -> the methods that it proves.

    Raises:
        SteelyardError: this is no source tree.
    """
    place = evidence.evidence()
    known = {**evidence.read_all(place), **records}
    now = adjusted({id: record.first.p for id, record in known.items()})
    for id, record in records.items():
        entered = msgspec.structs.replace(
            record,
            conformance={method: _checks_passed(method) for method in proves[id]},
            trials=evidence.trials(place, id),
            among=Among(len(known), now[id] if record.first.p is not None else None),
        )
        keep(place / f"{id}.json", entered)
    renew(place)


def renew(place: Path) -> None:
    """Make the verdicts, the plots and the catalogue anew from the records of a directory of evidence."""
    plots = place.parent / "proofs"
    with writing(plots, SteelyardError):
        plots.mkdir(parents=True, exist_ok=True)
        for id, record in evidence.read_all(place).items():
            draw(record, plots / f"{id}.svg")
    evidence.write_verdicts(place)
    catalogue_page.write(place.parent / "catalogue.md")
    readme = place.parent.parent / "README.md"
    with writing(readme, SteelyardError):
        put(readme, readme_table.renewed(readme.read_text(encoding="utf-8")).encode())


def _checks_passed(method: str) -> int:
    return sum(result.passed for result in check_method(find(method)))


if __name__ == "__main__":
    import_rooms()
    renew(evidence.evidence())
