"""An entry of the in-memory index. The trajectory itself stays in the file until a draw needs it."""

import struct
from hashlib import blake2b
from typing import NamedTuple

from steelyard.core import Trajectory


class Entry(NamedTuple):
    """What draws and evictions need to know of one stored trajectory.

    Entries sort from oldest to newest: by the version of the weights that sampled them, then by arrival. (The tuple
    begins with version and `seq`, and `seq` is unique.)
    """

    version: int
    seq: int
    """Number of the event that stored the trajectory."""
    prompt_id: str
    arrived: int
    """Learner version at arrival."""
    reward: float | None
    key: bytes
    """Hash of prompt and tokens: two trajectories of one prompt have the same key exactly if their tokens are equal."""


def key_of(trajectory: Trajectory) -> bytes:
    """A 16-byte hash of the prompt id and the tokens."""
    name = trajectory.prompt_id.encode()
    return blake2b(struct.pack("<q", len(name)) + name + trajectory.tokens_T.tobytes(), digest_size=16).digest()
