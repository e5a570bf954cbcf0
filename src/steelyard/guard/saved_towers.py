"""Two towers on disk: `towers.json` says their shape and words, `towers.safetensors` has their numbers."""

from dataclasses import dataclass
from pathlib import Path

from steelyard.core.model_files import file_errors, read_settings, read_tensors, write_settings, write_tensors
from steelyard.guard.two_towers import TwoTowers, pooled

FACTS, TENSORS = "towers.json", "towers.safetensors"


@dataclass(frozen=True)
class TowerFacts:
    """What a directory says of its towers."""

    shape: tuple[int, ...]
    """Of an image: channels, rows, columns."""
    words: tuple[str, ...]
    """That captions are read by."""

    def begin(self, seed: int = 0) -> TwoTowers:
        """Towers of this form before their first step."""
        return TwoTowers(self.shape, len(self.words), body=pooled, seed=seed)


def write_towers(towers: TwoTowers, facts: TowerFacts, directory: Path) -> None:
    """Write towers into a directory, which is made where it is absent."""
    write_settings(facts, directory / FACTS)
    write_tensors(towers.state_dict(), directory / TENSORS)


def read_towers(directory: Path) -> tuple[TwoTowers, TowerFacts]:
    """What was written.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    with file_errors("no towers can be read", where=str(directory), hint="name the model directory of a finished run"):
        facts = read_settings(directory / FACTS, TowerFacts)
        towers = facts.begin()
        towers.load_state_dict(read_tensors(directory / TENSORS))
    return towers, facts
