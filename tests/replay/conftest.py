"""A short way to write a trajectory: what replay reads of it, and nothing else."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steelyard.core import Sampling, Trajectory, to_bytes


def _trajectory(prompt_id="p", answer=0, *, version=0, reward: float | None = 0.0, logp=-0.5, **changes) -> Trajectory:
    return Trajectory(
        prompt_id=prompt_id,
        tokens_T=np.array([7, answer], np.int32),
        action_T=np.array([False, True]),
        logp_behaviour_T=np.array([0.0, logp], np.float32),
        version=version,
        digest="d",
        sampling=Sampling(),
        finish="stop",
        reward=reward,
    ).replace(**changes)


@pytest.fixture(scope="session")
def make() -> Callable[..., Trajectory]:
    """make("p", 3, version=2, reward=1.0): prompt p, the answer token 3."""
    return _trajectory


@pytest.fixture(scope="session")
def unchecked() -> Callable[..., object]:
    """unchecked(cls, **fields): settings as an untyped caller makes them; beartype would stop a wrong Literal first."""

    def defaults(cls):
        return {f.name: f.default for f in dataclasses.fields(cls)}

    def build(cls, **fields):
        made = object.__new__(cls)
        for name, value in {**defaults(cls), **fields}.items():
            object.__setattr__(made, name, value)
        made.__check_limits__()
        return made

    return build


@pytest.fixture(scope="session")
def answers() -> Callable[..., list[int]]:
    """The answer tokens of a group."""
    return lambda group: [int(t.tokens_T[1]) for t in group]


@pytest.fixture(scope="session")
def bodies() -> Callable[..., object]:
    """Groups of trajectories as their bytes, which compare; None stays None."""
    return lambda groups: groups if groups is None else [[to_bytes(t) for t in group] for group in groups]


@pytest.fixture
def path(tmp_path) -> Path:
    """Where a replay file may be made."""
    return tmp_path / "replay.sqlite"
