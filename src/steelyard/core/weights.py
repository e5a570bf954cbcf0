"""Weights on the move: a flat block of bytes, and the digest that names it."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

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

    data: UInt8[np.ndarray, "B"]
    version: int
    digest: str
    _stamped: bool = field(default=False, init=False, repr=False, compare=False)
    """The digest was taken here, from these bytes."""

    @classmethod
    def of(cls, data: UInt8[np.ndarray, "B"], version: int) -> "Weights":
        """Stamp `data` with its own digest."""
        weights = cls(data, version, digest_of(data))
        object.__setattr__(weights, "_stamped", True)
        return weights

    @property
    def intact(self) -> bool:
        """True where the bytes are those that the digest names. What `of` stamped is not read a second time."""
        return self._stamped or digest_of(self.data) == self.digest
