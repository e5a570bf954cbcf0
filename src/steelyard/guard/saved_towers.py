"""Two towers on disk: `towers.json` says their shape and words, `towers.safetensors` has their numbers."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, decode, encode, first_line
from steelyard.core.json import JsonObject
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
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    (directory / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(encode(facts)), indent=2) + b"\n")
    tensors = {name: tensor.detach().contiguous() for name, tensor in towers.state_dict().items()}
    save_file(tensors, directory / TENSORS, {"format": "pt"})


def read_towers(directory: Path) -> tuple[TwoTowers, TowerFacts]:
    """What was written.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        told = msgspec.json.decode((directory / FACTS).read_bytes(), type=JsonObject)
        facts = decode(told, TowerFacts, where=str(directory / FACTS))
        assert isinstance(facts, TowerFacts)
        towers = facts.begin()
        towers.load_state_dict(load_file(directory / TENSORS))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        what = f"no towers can be read ({first_line(error)})"
        raise SteelyardError(what, where=str(directory), hint="name the model directory of a finished run") from error
    return towers, facts
