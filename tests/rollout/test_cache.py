import pytest
import torch

from steelyard.rollout import cache
from steelyard.rollout.cache import Cache


@pytest.fixture
def make(network, monkeypatch):
    """`make(rows, columns)`: a cache in blocks of 4 columns."""
    monkeypatch.setattr(cache, "WIDTH", 4)
    return lambda rows, columns: Cache(network, rows, columns)


def _prompts(network, rows, columns):
    """Every number another."""
    shape = network.blank(rows, columns).shape
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)


def _columns(cache, first, last):
    return torch.cat(cache.window(first, last), 4)


def test_columns_come_in_whole_blocks(make):
    assert make(2, 9).columns == 12
    assert make(2, 8).columns == 8


@pytest.mark.parametrize(("first", "last", "widths"), [
    (0, 11, [4, 4, 4]), (0, 0, [1]), (2, 2, [1]), (1, 2, [2]), (3, 4, [1, 1]), (4, 7, [4]), (2, 9, [2, 4, 2]),
])  # fmt: skip
def test_a_window_is_cut_at_both_ends(make, first, last, widths):
    blocks = make(2, 12).window(first, last)
    assert [block.shape[4] for block in blocks] == widths


def test_prompts_stand_before_their_end_and_can_be_moved_and_dropped(make, network):
    held, new = make(3, 12), _prompts(network, 2, 6)
    held.put(slice(1, 3), new, 9)
    assert torch.equal(_columns(held, 3, 8)[:, :, 1:3], new)
    assert not _columns(held, 3, 8)[:, :, 0].any()
    held.move(2, 0, 3, 8)
    assert torch.equal(_columns(held, 3, 8)[:, :, [1, 0]], new)
    assert held.drop(3) == 0
    assert held.drop(7) == 4  # whole blocks only
    assert held.columns == 12
    assert torch.equal(_columns(held, 0, 4)[:, :, [1, 0]], new[..., 1:, :])  # what stood in column 4 is in column 0


def test_of_a_prompt_that_is_longer_than_what_is_before_its_end_the_last_columns_stand(make, network):
    held, new = make(2, 8), _prompts(network, 2, 6)
    held.put(slice(0, 2), new, 5)
    assert torch.equal(_columns(held, 0, 4), new[..., 1:, :])
    held.put(slice(0, 2), new, 0)
    assert torch.equal(_columns(held, 0, 4), new[..., 1:, :])
