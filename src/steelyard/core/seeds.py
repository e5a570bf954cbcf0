"""Counter-based randomness: a draw is a function of its address, not of the order in which draws are made."""

import hashlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64


def derive(seed: int, *address: int | str) -> int:
    """A 64-bit seed for `address` under `seed`; equal addresses give equal seeds on every machine."""
    text = "\x1f".join([str(seed), *(f"{type(a).__name__}:{a}" for a in address)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def rng(seed: int, *address: int | str) -> np.random.Generator:
    """An independent generator for `address`: what it draws does not depend on what others drew before.

    >>> [int(rng(0, "sample", "prompt", n).integers(100)) for n in (16, 17)]
    [2, 84]
    >>> int(rng(0, "sample", "prompt", 17).integers(100))
    84
    """
    return np.random.Generator(np.random.Philox(key=derive(seed, *address)))


def uniforms(seed: int, addresses: Iterable[tuple[int | str, ...]], steps: int) -> Float64[np.ndarray, "N S"]:
    """`rng(seed, *address).random(steps)` of each address: one generator is wound to each, which is faster."""
    generator = np.random.Generator(np.random.Philox(key=0))
    start = generator.bit_generator.state
    rows = []
    for address in addresses:
        key = np.array([derive(seed, *address), 0], np.uint64)
        generator.bit_generator.state = {**start, "state": {**start["state"], "key": key}}
        rows.append(generator.random(steps))
    return np.array(rows).reshape(len(rows), steps)


def hash_share(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone: how held-out prompts are split off.

    >>> round(hash_share("1+1="), 4)
    0.625
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
