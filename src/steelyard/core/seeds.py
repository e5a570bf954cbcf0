"""Counter-based randomness: a draw is a function of its address, not of the order in which draws are made."""

import hashlib

import numpy as np


def derive(seed: int, *address: int | str) -> int:
    """A 64-bit seed for `address` under `seed`; equal addresses give equal seeds on every machine."""
    text = "\x1f".join([str(seed), *(f"{type(a).__name__}:{a}" for a in address)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def stream(seed: int, *address: int | str) -> np.random.Generator:
    """An independent generator for `address`, for example `stream(seed, "sample", prompt_id, 17)`."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *address)))


def hash_share(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone: how held-out prompts are split off."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
