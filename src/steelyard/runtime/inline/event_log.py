"""The rows of events.jsonl: what happened, and a digest of the state it left, so that a repeat can be compared."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from steelyard.core import Trajectory, to_bytes


def state_digest(facts: Any, groups: Sequence[Sequence[Trajectory]]) -> str:
    """16 hexadecimal digits that name JSON-ready `facts` and every bit of the trajectories."""
    digest = hashlib.blake2b(msgspec.json.encode(facts), digest_size=8)
    for group in groups:
        for trajectory in group:
            digest.update(to_bytes(trajectory))
    return digest.hexdigest()
