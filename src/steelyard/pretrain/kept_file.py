"""What a job found before its first step, as JSON in a checkpoint."""

from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError


def read_kept(file: Path, kind: Any) -> Any:
    """What a file of a checkpoint holds.

    Raises:
        SteelyardError: it is missing or damaged.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="go on from another checkpoint") from error
