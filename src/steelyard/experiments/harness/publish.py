"""Records and plots of proofs into the source tree, where the catalogue reads them."""

from collections.abc import Mapping
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.experiments.harness import catalogue_page, proof_record
from steelyard.experiments.harness.processes import keep
from steelyard.experiments.harness.proof_record import ProofRecord
from steelyard.runtime.run_dir.disk import put, writing

ROOT = Path(__file__).parents[4]
"""Of the source tree, if this is one."""


def publish(records: Mapping[str, ProofRecord], directory: Path) -> None:
    """Put the records beside the proofs, the plots into docs/proofs, and write docs/catalogue.md anew.

    Args:
        records: id of a proof -> record, all of them fit to be published.
        directory: where their plots are.

    Raises:
        SteelyardError: this is no source tree.
    """
    require((ROOT / "pyproject.toml").is_file(), "is no source tree", where=str(ROOT), hint="leave --publish out")
    plots = ROOT / "docs" / "proofs"
    with writing(ROOT, SteelyardError):
        plots.mkdir(parents=True, exist_ok=True)
        for id, record in records.items():
            keep(proof_record.RECORDS / f"{id}.json", record)
            put(plots / f"{id}.png", (directory / f"{id}.png").read_bytes())
    proof_record.published.cache_clear()
    catalogue_page.write(ROOT / "docs" / "catalogue.md")
