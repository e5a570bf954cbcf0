"""Ranks of returns, by hand."""

import numpy as np
import torch

from control.test_offline import played
from steelyard.control import ReturnConditioned
from steelyard.control.offline import Sizes, offline_of

SIZES = Sizes(1, 2, False)


def test_ranks_by_hand() -> None:
    data = offline_of([played([float(r)]) for r in (3, 0, 1, 2)])
    reading = ReturnConditioned(num_latents=2).reading(SIZES)
    reading.fit(data)
    q_NK, more = reading(data, torch.arange(4), np.random.default_rng(0))
    assert q_NK.argmax(1).tolist() == [1, 0, 0, 1]
    assert q_NK.sum(1).tolist() == [1.0] * 4
    assert more.item() == 0.0


def test_equal_returns_share_a_rank() -> None:
    data = offline_of([played([float(r)]) for r in (0, 0, 0, 1)])
    reading = ReturnConditioned(num_latents=4).reading(SIZES)
    reading.fit(data)
    rank_N = reading(data, torch.arange(4), np.random.default_rng(0))[0].argmax(1).tolist()
    assert rank_N[:3] == [rank_N[0]] * 3
    assert rank_N[3] >= rank_N[0]
