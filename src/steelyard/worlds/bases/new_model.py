"""A model written to a place of its own, whole or not at all."""

import shutil
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.records import check_output


def save_new(policy: Policy, directory: Path) -> Path:
    """Write the policy to an empty or absent directory, and return that.

    Raises:
        SteelyardError: the directory is not empty, or the disk does not take the model; nothing is left of it then.
    """
    from safetensors import SafetensorError

    check_output(directory)
    part = directory.with_name(f".{directory.name}.part")
    try:
        with writing(directory, SteelyardError):
            policy.save(part, force=True)
            part.replace(directory)
    except SafetensorError as error:  # its way to say that the disk is full
        raise SteelyardError(f"cannot be written ({error})", where=str(directory), hint="look at the disk") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return directory
