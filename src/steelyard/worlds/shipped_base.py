"""Models that ship with the package: their files count as what a measurement reached, as the code does."""

from pathlib import Path

from steelyard.policy import Policy
from steelyard.policy.loading import locate
from steelyard.worlds import code_reached


def shipped_base(model: str) -> Policy:
    """Load a shipped model, such as `steelyard/arithmetic`; what is measured with it is kept under its files.

    Raises:
        SteelyardError: no such model, or its files are damaged.
    """
    policy = Policy.load(model)
    note_shipped(model)
    return policy


def note_shipped(model: str) -> None:
    """What is measured now is kept under the files of a shipped model."""
    code_reached.note(file for file in Path(locate(model)[0]).iterdir() if file.is_file())
