"""Records and plots of proofs into the source tree, where the catalogue reads them."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.experiments.harness import record as kept
from steelyard.experiments.harness.record import Record
from steelyard.runtime import to_json
from steelyard.runtime.run_dir.disk import put, writing

ROOT = Path(__file__).parents[4]
"""Of the source tree, if this is one."""


def publish(records: Mapping[str, Record], directory: Path) -> None:
    """Put the records beside the proofs, the plots into docs/proofs, and write docs/catalogue.md anew.

    Args:
        records: method's id -> record, all of them fit to be published.
        directory: where their plots are.

    Raises:
        SteelyardError: this is no source tree.
    """
    require((ROOT / "pyproject.toml").is_file(), "is no source tree", where=str(ROOT), hint="leave --publish out")
    plots = ROOT / "docs" / "proofs"
    with writing(ROOT, SteelyardError):
        for place in (kept.RECORDS, plots):
            place.mkdir(parents=True, exist_ok=True)
        for id, record in records.items():
            put(kept.RECORDS / f"{id}.json", to_json(msgspec.to_builtins(record), indent=1).encode() + b"\n")
            put(plots / f"{id}.png", (directory / f"{id}.png").read_bytes())
    from steelyard.experiments.harness import catalogue_page

    kept.published.cache_clear()
    catalogue_page.write(ROOT / "docs" / "catalogue.md")
