"""What the index holds of a stored trajectory. The trajectory itself stays in the file until a draw asks for it."""

import struct
from hashlib import blake2b
from typing import NamedTuple

from steelyard.core import Trajectory


class Row(NamedTuple):
    """A stored trajectory's place in every order that a draw or an eviction asks for.

    The fields begin with (version, seq), and `seq` is unique: rows sort from oldest to newest, by the weights that
    sampled them, then by arrival.
    """

    version: int
    seq: int
    """The number of the event that stored it."""
    prompt_id: str
    arrived: int
    """The learner's version when it arrived."""
    reward: float | None
    key: bytes
    """Equal for two trajectories of one prompt with the same tokens, and for no others."""


def key_of(trajectory: Trajectory) -> bytes:
    """16 bytes that name a prompt and a token sequence."""
    name = trajectory.prompt_id.encode()
    return blake2b(struct.pack("<q", len(name)) + name + trajectory.tokens_T.tobytes(), digest_size=16).digest()
