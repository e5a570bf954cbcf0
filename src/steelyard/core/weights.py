"""Weights on the move: a flat block of bytes, and the digest that names it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


def digest_of(data: UInt8[np.ndarray, "B"]) -> str:
    """16 hexadecimal digits that name these B bytes."""
    return hashlib.blake2b(data.data, digest_size=8).hexdigest()


@dataclass(frozen=True)
class Weights:
    """Trainable weights as B flat bytes (`Policy.weights`), with the version and digest that name them."""

    data: UInt8[np.ndarray, "B"]
    version: int
    digest: str

    @classmethod
    def of(cls, data: UInt8[np.ndarray, "B"], version: int) -> "Weights":
        """Stamp `data` with its own digest."""
        return cls(data, version, digest_of(data))
