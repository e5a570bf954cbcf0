"""What an arm gave at a seed, as it is kept: taken again wherever nothing that decides it has changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from steelyard.experiments.harness.arm import Arm
from steelyard.experiments.harness.processes import kept
from steelyard.worlds import code_reached
from steelyard.worlds.described import described


class ArmResult(msgspec.Struct, frozen=True):
    """What one arm gave at one seed."""

    seed: int
    arm: str
    about: str
    """Digest of the setting, the arm and the libraries: `about_of`."""
    metrics: dict[str, float]
    seconds: float
    """Of processor time that it took, on however busy a machine; an arm that came first in its process, with what was
    prepared for all."""
    sources: dict[str, str]
    """The source files that were reached -> what they said: `code_reached.digests`."""
    commit: str | None
    """Of the source tree when it began; None where that is not known."""


def about_of(setting: object, arm: Arm[Any]) -> str:
    """A digest of what decides an arm's metrics, apart from the seed and the code."""
    about = [described(setting), described(arm), code_reached.versions()]
    return hashlib.blake2b(json.dumps(about).encode(), digest_size=8).hexdigest()


def file_of(folder: Path, arm: str, about: str) -> Path:
    """Where the result of an arm with these settings is, in the folder of its seed."""
    return folder / f"{arm.replace('/', '_')}-{about}.json"


def lock_of(folder: Path, arm: str, about: str) -> Path:
    """What is locked by who measures it."""
    return file_of(folder, arm, about).with_suffix(".lock")


def read(folder: Path, arm: str, about: str) -> ArmResult | None:
    """The result that is there, whether it fits or not.

    Raises:
        SteelyardError: it is damaged.
    """
    file = file_of(folder, arm, about)
    return kept(file, ArmResult) if file.exists() else None


def why_not(result: ArmResult, proof: Path) -> str:
    """Why a result is not what would be measured today; empty where it is.

    Args:
        result: what is there, of the settings that are asked for.
        proof: the proof's file; its arms and claims enter by value.
    """
    changed = code_reached.changed(result.sources, criterion=proof)
    return f"code that it uses has changed ({', '.join(changed[:3])})" if changed else ""


def sources_known(folder: Path, arm: str, about: str, proof: Path) -> list[Path] | None:
    """The files that the same arm reached at another seed, if that was measured by the code of today."""
    for other in sorted(folder.parent.glob("*")):
        result = read(other, arm, about) if other != folder and other.is_dir() else None
        if result is not None and not why_not(result, proof):
            return [code_reached.PACKAGE / name for name in result.sources]
    return None
