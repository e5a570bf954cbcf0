"""Played episodes as steps in a row."""

import numpy as np
import pytest
import torch

from steelyard.check.control import Corridor
from steelyard.control.offline import PlayedEpisode, collect, offline_of, split_episodes
from steelyard.core import SteelyardError


def played(rewards: list[float], first: float = 0.0) -> PlayedEpisode:
    """An episode whose observations count from `first`; every action is the first of two."""
    seen = first + np.arange(len(rewards) + 1.0)[:, None]
    return PlayedEpisode(seen, np.tile([1.0, 0.0], (len(rewards), 1)), np.array(rewards))


def test_two_episodes_by_hand() -> None:
    data = offline_of([played([1.0, 2.0, 4.0]), played([8.0], 10.0)])
    assert data.seen_NO[:, 0].tolist() == [0.0, 1.0, 2.0, 10.0]
    assert data.next_NO[:, 0].tolist() == [1.0, 2.0, 3.0, 11.0]
    assert data.return_N.tolist() == [7.0, 6.0, 4.0, 8.0]
    assert data.last_N.tolist() == [2, 2, 2, 3]
    assert offline_of([played([1.0, 2.0, 4.0])], 0.5).return_N.tolist() == [3.0, 4.0, 4.0]
    assert data.firsts.tolist() == [0, 3]


def test_scales_change_no_place_and_no_end() -> None:
    data = offline_of([played([1.0, 2.0])])
    scaled = data.scaled(torch.tensor([2.0]), torch.tensor(2.0), torch.tensor(3.0), torch.tensor(0.5))
    assert scaled.next_NO[:, 0].tolist() == [0.5, 1.0]
    assert scaled.return_N.tolist() == [0.0, -2.0]
    assert scaled.last_N is data.last_N


def test_what_is_played_is_what_happened() -> None:
    (episode,) = collect(Corridor(), lambda observation, draws: 1, 1, seed=0)
    assert episode.seen.argmax(1).tolist() == [0, 1, 2, 3, 4]
    assert episode.actions.tolist() == [[0.0, 1.0]] * 4
    assert episode.rewards.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_a_split_takes_each_episode_once_and_leaves_no_side_empty() -> None:
    episodes = [played([float(i)]) for i in range(10)]
    train, held_out = split_episodes(episodes, 0.3, seed=1, where="x")
    assert (len(train), len(held_out)) == (7, 3)
    assert sorted(float(e.rewards[0]) for e in train + held_out) == list(range(10))
    with pytest.raises(SteelyardError, match="x: of 10 episodes 0 are held out; give more episodes"):
        split_episodes(episodes, 0.01, seed=1, where="x")
