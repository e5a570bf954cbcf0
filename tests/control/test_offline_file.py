"""Episodes of one's own from a file: what is read, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.control.offline import Sizes
from steelyard.control.offline_file import read_episodes
from steelyard.core import SteelyardError


def rows(path: Path, *episodes: Any) -> str:
    path.write_text("\n".join(map(json.dumps, episodes)))
    return str(path)


def test_lines_by_hand(tmp_path: Path) -> None:
    told = {"observations": [[0.5, 1], [0, 2], [0, 3]], "actions": [1, 0], "rewards": [0.25, 1]}
    short = {"observations": [[4, 5]], "actions": [2], "rewards": [0]}
    (first, second), sizes = read_episodes(rows(tmp_path / "e.jsonl", told, short), None)
    assert sizes == Sizes(2, 3, False)
    assert first.seen.tolist() == told["observations"]
    assert first.actions.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert first.rewards.tolist() == [0.25, 1.0]
    assert second.seen.tolist() == [[4, 5], [4, 5]], "the last observation stands for one that is missing"


def test_whole_numbers_are_places_and_numbers_are_numbers(tmp_path: Path) -> None:
    told = {"observations": [0, 2, 1], "actions": [[0.5, -1], [1, 0]], "rewards": [1, 2]}
    ((episode,), sizes) = read_episodes(rows(tmp_path / "e.jsonl", told), None)
    assert sizes == Sizes(3, 2, True)
    assert episode.seen.argmax(1).tolist() == [0, 2, 1]
    assert episode.actions.tolist() == told["actions"]
    ((episode,), _) = read_episodes(rows(tmp_path / "e.jsonl", told), Sizes(5, 2, True))
    assert episode.seen.shape == (3, 5)


@pytest.mark.parametrize("names", [("ends",), ("terminals", "timeouts")])
def test_arrays_say_the_same_as_lines(tmp_path: Path, names: tuple[str, ...]) -> None:
    seen, actions, rewards = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0]), np.arange(4.0)
    ends = [np.array([False, i == len(names) - 1, False, i == 0]) for i in range(len(names))]
    np.savez(
        tmp_path / "e.npz", observations=seen, actions=actions, rewards=rewards, next_observations=seen + 2,
        **dict(zip(names, ends, strict=True)),
    )  # fmt: skip
    episodes, sizes = read_episodes(str(tmp_path / "e.npz"), None)
    lines = [
        {"observations": [[0, 1], [2, 3], [4, 5]], "actions": [0, 1], "rewards": [0, 1]},
        {"observations": [[4, 5], [6, 7], [8, 9]], "actions": [1, 0], "rewards": [2, 3]},
    ]
    same, same_sizes = read_episodes(rows(tmp_path / "e.jsonl", *lines), None)
    assert sizes == same_sizes == Sizes(2, 2, False)
    for one, other in zip(episodes, same, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


GOOD = {"observations": [[0], [1]], "actions": [0], "rewards": [1]}


@pytest.mark.parametrize(
    ("changed", "sizes", "message"),
    [
        ({"rewards": None}, None, "line 1: its rewards are not finite numbers"),
        ({"rewards": [float("nan")]}, None, "line 1: its rewards are not finite numbers"),
        ({"rewards": [1, 2]}, None, "line 1: it has 2 observations, 1 actions and 2 rewards; give as many actions"),
        ({"observations": [[0], [1, 2]]}, None, "line 1: its observations are not of one length"),
        ({"observations": [["a"], ["b"]]}, None, "line 1: its observations are not finite numbers"),
        ({"actions": [4]}, Sizes(1, 3, False), "line 1: action 4 is none of 0 to 2"),
        ({"actions": [-1]}, Sizes(1, 3, False), "line 1: action -1 is none of 0 to 2"),
        ({"actions": [[0.5]]}, Sizes(1, 3, False), "line 1: its actions are numbers from -1 to 1, and elsewhere"),
        ({"actions": [[3.5]]}, Sizes(1, 1, True), "line 1: an action has a number beyond -1 to 1; scale them"),
        ({}, Sizes(3, 2, False), "line 1: an observation has 1 numbers, and 3 are needed"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, changed: dict[str, Any], sizes: Sizes | None, message: str) -> None:
    with pytest.raises(SteelyardError, match=message):
        read_episodes(rows(tmp_path / "e.jsonl", GOOD | changed), sizes)


def test_arrays_that_are_refused(tmp_path: Path) -> None:
    good: dict[str, Any] = {"observations": np.eye(3), "actions": np.zeros(3, int), "rewards": np.ones(3)}
    path = tmp_path / "e.npz"

    def refused(message: str, **changed: Any) -> None:
        np.savez(path, **{name: array for name, array in (good | changed).items() if array is not None})
        with pytest.raises(SteelyardError, match=message):
            read_episodes(str(path), None)

    refused("it does not say where episodes end; give an array `ends`")
    refused("it holds no array 'actions', but observations, rewards", actions=None, ends=np.ones(3))
    refused("rewards has 2 rows, and there are 3 steps", rewards=np.ones(2), ends=np.ones(3))
    refused("cannot be read", rewards=np.array([{}, {}, {}]), ends=np.ones(3))
    path.write_bytes(b"none")
    with pytest.raises(SteelyardError, match="cannot be read"):
        read_episodes(str(path), None)
    with pytest.raises(SteelyardError, match="there is no such file; give the path of a"):
        read_episodes(str(tmp_path / "missing.npz"), None)
