"""Protocols of the replay and curriculum settings: each opens the live object that a run uses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core.protocols import Curriculum, Replay
from steelyard.core.trajectory import Prompt


@runtime_checkable
class ReplaySettings(Protocol):
    """Settings of a replay: a frozen dataclass."""

    def open(self, *, seed: int, max_staleness: int | None = None, path: Path | None = None) -> Replay:
        """The live replay, empty or continued.

        Args:
            seed: of its draws.
            max_staleness: most versions that data may trail the learner; None sets no bound.
            path: its file, continued where it exists; None keeps all in memory.
        """
        ...


@runtime_checkable
class CurriculumSettings(Protocol):
    """Settings of a curriculum: a frozen dataclass."""

    def open(self, prompts: Sequence[Prompt], seed: int) -> Curriculum:
        """The live curriculum over these prompts, at its beginning."""
        ...
