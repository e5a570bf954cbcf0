"""Checks for replays: trajectories come out unchanged, draws follow from the seed, a saved state resumes exactly."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from steelyard.check.verdict import Check, demand
from steelyard.core import Replay, ReplaySettings, Sampling, Trajectory, to_bytes


def _trajectory(prompt: int, sample: int) -> Trajectory:
    nothing_T = np.zeros(3, np.float32)
    tokens_T = np.array([1, 2 + prompt, 5 + sample], np.int32)
    return Trajectory(
        f"p{prompt}",
        tokens_T,
        np.array([False, True, True]),
        nothing_T,
        0,
        "",
        Sampling(),
        "stop",
        sample=sample,
        logp_ref_T=nothing_T,
        reward=float(sample % 2),
    )


def _trajectories() -> list[Trajectory]:
    return [_trajectory(prompt, sample) for prompt in range(3) for sample in range(4)]


def _filled(method: ReplaySettings) -> Replay:
    replay = method.open(seed=3)
    replay.sample(2, 4, version=0, draw=0)  # a learner asks before there is anything
    replay.add(_trajectories(), version=0)
    return replay


def _drawn(replay: Replay, draw: int) -> list[list[bytes]]:
    groups = replay.sample(2, 4, version=0, draw=draw)
    return [[to_bytes(t) for t in group] for group in groups or []]


def replay_groups(method: ReplaySettings) -> None:
    """An empty one has nothing; a filled one gives groups of one prompt each, of what was stored, unchanged."""
    empty = method.open(seed=3)
    demand(empty.sample(2, 4, version=0, draw=0) is None, "an empty replay gives groups")
    empty.close()
    replay = _filled(method)
    known = {to_bytes(t) for t in _trajectories()}
    groups = replay.sample(2, 4, version=0, draw=1)
    replay.close()
    demand(groups is not None and len(groups) == 2, "it does not give the two groups that were asked for")
    for group in groups or ():
        demand(len(group) == 4, f"a group has {len(group)} trajectories where 4 were asked for")
        demand(len({t.prompt_id for t in group}) == 1, "a group mixes prompts")
        demand(all(to_bytes(t) in known for t in group), "what comes out is not what was stored")


def replay_seeded(method: ReplaySettings) -> None:
    """The same arrivals, seed and draw give the same groups."""
    one = _filled(method)
    two = _filled(method)
    demand(_drawn(one, 1) == _drawn(two, 1), "two replays with one seed give other groups")
    one.close()
    two.close()


def replay_resumes(method: ReplaySettings) -> None:
    """Its state is JSON; taken back to it, it gives the same groups again."""
    replay = _filled(method)
    state = msgspec.json.decode(msgspec.json.encode(replay.state()))
    first = _drawn(replay, 1)
    replay.restore(state, keep_later=False)
    again = _drawn(replay, 1)
    replay.close()
    demand(bool(first) and first == again, "after restore it gives other groups")


REPLAY_CHECKS: Mapping[str, Check] = MappingProxyType(
    {"replay-groups": replay_groups, "replay-seeded": replay_seeded, "replay-resumes": replay_resumes}
)
