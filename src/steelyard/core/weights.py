"""Weights on the move: a flat block of bytes, and the digest that names it."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

Block = UInt8[np.ndarray, "B"] | UInt8[Tensor, "B"]
"""B flat bytes: in the processor's memory, or as a tensor where they are wanted."""

PIECE = 2**26
"""Bytes that are hashed in one go; of more, pieces are hashed side by side, and then their digests."""


def digest_of(data: UInt8[np.ndarray, "B"]) -> str:
    """16 hexadecimal digits that name these B bytes."""
    if data.nbytes <= PIECE:
        return whole_digest_of(data)
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    with ThreadPoolExecutor(min(len(pieces), os.cpu_count() or 1)) as pool:
        digests = pool.map(lambda piece: hashlib.blake2b(piece.data).digest(), pieces)
        return hashlib.blake2b(b"".join(digests), digest_size=8).hexdigest()


def whole_digest_of(data: UInt8[np.ndarray, "B"]) -> str:
    """The digest that earlier releases gave these B bytes: it differs where there is more than one piece."""
    return hashlib.blake2b(data.data, digest_size=8).hexdigest()


@dataclass(frozen=True)
class Weights:
    """Trainable weights as B flat bytes (`Policy.weights`), with the version and digest that name them.

    Nobody changes the bytes of weights: who wants others copies them.
    """

    data: Block
    version: int
    digest: str
    _stamped: bool = field(default=False, init=False, repr=False, compare=False)
    """The digest was taken here, from these bytes, or they were compared with the version's in another way."""

    @classmethod
    def of(cls, data: UInt8[np.ndarray, "B"], version: int) -> "Weights":
        """Stamp `data` with its own digest."""
        return cls.compared(data, version, digest_of(data))

    @classmethod
    def compared(cls, data: Block, version: int, digest: str) -> "Weights":
        """Weights whose bytes the caller has compared with those that the digest names."""
        weights = cls(data, version, digest)
        object.__setattr__(weights, "_stamped", True)
        return weights

    @property
    def on_host(self) -> UInt8[np.ndarray, "B"]:
        """The bytes in the processor's memory, copied there where they are not."""
        return self.data if isinstance(self.data, np.ndarray) else self.data.cpu().numpy()

    @property
    def intact(self) -> bool:
        """True where the bytes are those that the digest names. What was compared is not read a second time."""
        return self._stamped or digest_of(self.on_host) == self.digest
