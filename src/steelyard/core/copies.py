"""Copies for code that is not ours: what a verifier or an environment changes, it changes for itself alone.

The samples of a prompt share its text and its columns, and all that is drawn from a run lasts as long as the run. So a
reward, an environment or a measure of a task's own never gets the originals.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from steelyard.core.protocols import Episode
from steelyard.core.trajectory import Prompt, Trajectory

T = TypeVar("T")
_UNCHANGEABLE = (str, int, float, bool, bytes, type(None))
_ARRAYS = ("tokens_T", "action_T", "logp_behaviour_T", "logp_ref_T", "version_T", "reward_T")


def own(value: T) -> T:
    """The value, copied all the way down; what cannot be copied, such as a lock, is given as it is."""
    if isinstance(value, _UNCHANGEABLE):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.copy()  # as `deepcopy` does, in less time
    try:
        return copy.deepcopy(value)
    except TypeError:  # how Python says that an object cannot be copied
        return value


def own_prompt(prompt: Prompt) -> Prompt:
    """A prompt that shares nothing with the original."""
    columns = {name: own(value) for name, value in prompt.columns.items()}
    return replace(prompt, text=own(prompt.text), columns=columns, labels=dict(prompt.labels))


def own_trajectory(trajectory: Trajectory) -> Trajectory:
    """A trajectory that shares nothing with the original."""
    t = trajectory
    arrays = {name: own(getattr(t, name)) for name in _ARRAYS}
    info = {name: own(value) for name, value in t.info.items()}
    return t.replace(**arrays, reward_parts=dict(t.reward_parts), info=info, labels=dict(t.labels))


def own_episodes(episodes: Sequence[Episode]) -> list[Episode]:
    """Episodes that share nothing with the originals, nor with each other."""
    return [replace(e, prompt=own_prompt(e.prompt), trajectory=own_trajectory(e.trajectory)) for e in episodes]
