"""The rows of events.jsonl: what happened, and a digest of the state it left, so that a repeat can be compared."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import msgspec

from steelyard.core import Trajectory, to_bytes
from steelyard.core.moved import first_metrics
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.inline.events import Event
from steelyard.runtime.inline.snapshot import Clock


def row_of(
    event: Event, clock: Clock, digest: str, weights: DelayedWeightStore, replay: Mapping[str, float]
) -> dict[str, object]:
    """The row of an event that has happened.

    Args:
        event: it.
        clock: after it.
        digest: of the learner's weights after it.
        weights: published, after it.
        replay: its metrics after it.
    """
    facts = [digest, weights.stamps(), asdict(clock), first_metrics(replay)]
    return {
        "event": clock.events,
        "clock": event.when,
        "kind": event.kind,
        "searcher": event.searcher,
        "version": weights.newest() if event.kind == "search" else event.version,
        "state": state_digest(facts, event.groups),
    }


def state_digest(facts: object, groups: Sequence[Sequence[Trajectory]]) -> str:
    """16 hexadecimal digits that name JSON-ready `facts` and every bit of the trajectories."""
    digest = hashlib.blake2b(msgspec.json.encode(facts), digest_size=8)
    for group in groups:
        for trajectory in group:
            digest.update(to_bytes(trajectory))
    return digest.hexdigest()
