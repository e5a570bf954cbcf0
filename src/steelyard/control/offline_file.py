"""Episodes of one's own from a file: JSONL, an episode a line, or .npz, steps in a row.

    {"observations": [[...], ...], "actions": [...], "rewards": [...]}    L + 1 observations, or L; L actions, L rewards

A .npz file has arrays `observations` [N, O], `actions` [N] or [N, A], `rewards` [N] and `ends` [N], true at the last
step of each episode, or `terminals` and `timeouts` in its place; `next_observations` [N, O] where it is known.
An observation is numbers, or one whole number: a place of so many. An action is one whole number, a choice, or numbers
from -1 to 1. Where the last observation is missing the one before stands in its place: nothing is learned from it.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.control.offline import PlayedEpisode, Sizes
from steelyard.core import SteelyardError, first_line, require
from steelyard.task.files import read_rows

_HINT = "give observations, actions and rewards of every episode; see docs/data.md"
MOST_PLACES = 4096
"""Most places, or choices, that a whole number tells apart."""


@dataclass(frozen=True)
class _Raw:
    """An episode as it stands in the file."""

    seen: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    where: str


def read_episodes(path: str, sizes: Sizes | None, *, places: bool = True) -> tuple[list[PlayedEpisode], Sizes]:
    """The episodes of a file, and what is seen and done in them.

    Args:
        path: of the file.
        sizes: of the environment; None where the file alone says it.
        places: whether a whole number as an observation is a place of so many; otherwise it is a number.

    Raises:
        SteelyardError: the file is missing or malformed, or its episodes do not fit the environment or each other.
    """
    raw = _from_npz(path) if Path(path).suffix == ".npz" else _from_rows(path)
    sizes = sizes or _sizes(raw)
    return [_episode(one, sizes, places) for one in raw], sizes


def _from_rows(path: str) -> list[_Raw]:
    return [_raw(row, f"{path}, {at}") for at, row in read_rows(path)]


def _raw(row: Mapping[str, Any], where: str) -> _Raw:
    seen, actions, rewards = (_array(row, name, where) for name in ("observations", "actions", "rewards"))
    return _checked(_Raw(seen, actions, rewards, where))


def _array(row: Mapping[str, Any], name: str, where: str) -> np.ndarray:
    require(name in row, f"there are no {name}", where=where, hint=_HINT)
    try:
        found = np.array(row[name])
    except ValueError as error:
        raise SteelyardError(f"its {name} are not of one length", where=where, hint=_HINT) from error
    return found


def _checked(raw: _Raw) -> _Raw:
    """Refuse what are no finite numbers, or not as many as there are steps."""
    for name, found in (("observations", raw.seen), ("actions", raw.actions), ("rewards", raw.rewards)):
        fits = found.dtype.kind in "buif" and found.ndim >= 1 and bool(np.isfinite(found).all())
        require(fits, f"its {name} are not finite numbers", where=raw.where, hint=_HINT)
    steps = len(raw.rewards)
    what = f"it has {len(raw.seen)} observations, {len(raw.actions)} actions and {steps} rewards"
    fits = steps > 0 and len(raw.actions) == steps and len(raw.seen) in (steps, steps + 1) and raw.rewards.ndim == 1
    require(fits, what, where=raw.where, hint="give as many actions as rewards, and one observation more")
    return raw


def _from_npz(path: str) -> list[_Raw]:
    found = _arrays(path)
    for name in ("observations", "actions", "rewards"):
        require(name in found, f"it holds no array {name!r}, but {', '.join(found)}", where=path, hint=_HINT)
    end_N = _ends(found, path)
    number = len(end_N)
    for name in ("observations", "actions", "rewards", "next_observations"):
        what = f"{name} has {len(found.get(name, end_N))} rows, and there are {number} steps"
        require(len(found.get(name, end_N)) == number, what, where=path, hint=_HINT)
    cuts = [*(np.flatnonzero(end_N) + 1).tolist()]
    bounds = zip([0, *cuts], [*cuts, number], strict=True)
    return [_cut(found, first, past, path) for first, past in bounds if past > first]


def _cut(found: Mapping[str, np.ndarray], first: int, past: int, path: str) -> _Raw:
    """One episode of the arrays."""
    seen = found["observations"][first:past]
    if "next_observations" in found:
        seen = np.concatenate([seen, found["next_observations"][past - 1 : past]])
    where = f"{path}, steps {first} to {past - 1}"
    return _checked(_Raw(seen, found["actions"][first:past], found["rewards"][first:past], where))


def _ends(found: Mapping[str, np.ndarray], path: str) -> np.ndarray:
    named = [found[name].astype(bool) for name in ("ends", "terminals", "timeouts") if name in found]
    require(
        bool(named), "it does not say where episodes end", where=path, hint="give an array `ends`, true at last steps"
    )
    what = f"`ends` has the shape {named[0].shape}"
    fits = all(one.ndim == 1 and one.shape == named[0].shape for one in named)
    require(fits, what, where=path, hint="give one of each step")
    return np.logical_or.reduce(named)


def _arrays(path: str) -> Mapping[str, np.ndarray]:
    hint = "give the path of a .jsonl or .npz file"
    require(Path(path).is_file(), "there is no such file", where=path, hint=hint)
    try:
        read = np.load(path, allow_pickle=False)
        require(not isinstance(read, np.ndarray), "holds one array without a name", where=path, hint=hint)
        with read:
            return {name: np.atleast_1d(read[name]) for name in read.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SteelyardError(f"cannot be read ({first_line(error)})", where=path, hint=hint) from error


def _sizes(raw: Sequence[_Raw]) -> Sizes:
    """What the file alone says: whole numbers are counted."""
    seen, action = raw[0].seen, raw[0].actions
    places = _count([one.seen for one in raw]) if _whole(seen) else int(np.prod(seen.shape[1:]))
    choices = _whole(action)
    actions = _count([one.actions for one in raw]) if choices else int(np.prod(action.shape[1:]))
    return Sizes(places, actions, continuous=not choices)


def _whole(found: np.ndarray) -> bool:
    return found.ndim == 1 and found.dtype.kind in "bui"


def _count(found: Sequence[np.ndarray]) -> int:
    return max(2, 1 + max(int(one.max()) for one in found))


def _episode(raw: _Raw, sizes: Sizes, places: bool) -> PlayedEpisode:
    seen = _rows(raw.seen if places else raw.seen.astype(np.float64), sizes.observation, "observation", raw.where)
    if len(seen) == len(raw.rewards):
        seen = np.concatenate([seen, seen[-1:]])
    what = "its actions are {}, and elsewhere they are {}"
    words = ("choices, whole numbers from 0", "numbers from -1 to 1")
    is_choice = _whole(raw.actions)
    told = what.format(words[not is_choice], words[is_choice])
    require(
        is_choice != sizes.continuous, told, where=raw.where, hint="give all in one way, as the environment takes them"
    )
    actions = _rows(raw.actions, sizes.actions, "action", raw.where)
    beyond = sizes.continuous and float(np.abs(actions).max()) > 1.0
    require(not beyond, "an action has a number beyond -1 to 1", where=raw.where, hint="scale them by their limits")
    return PlayedEpisode(seen, actions, raw.rewards.astype(np.float64))


def _rows(found: np.ndarray, size: int, name: str, where: str) -> np.ndarray:
    """Rows of numbers; a whole number becomes one of so many."""
    if _whole(found) and size > 1:
        highest = min(size, MOST_PLACES) - 1
        worst = int(found[(found < 0) | (found > highest)][0]) if ((found < 0) | (found > highest)).any() else None
        require(worst is None, f"{name} {worst} is none of 0 to {highest}", where=where, hint=_HINT)
        return np.eye(size, dtype=np.float32)[found.astype(np.int64)]
    rows = found.reshape(len(found), -1).astype(np.float32)
    what = f"an {name} has {rows.shape[1]} numbers, and {size} are needed"
    require(rows.shape[1] == size, what, where=where, hint="give all alike, as the environment has them")
    return rows
