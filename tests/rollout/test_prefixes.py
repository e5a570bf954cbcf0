import numpy as np
import pytest
import torch

from rollout.drawn import requests_for
from steelyard.rollout.prefix_cache import PrefixCache
from steelyard.rollout.prefixes import Prefixes

A, B, C = (5, 14, 6), (9, 5), (4, 4, 15)


@pytest.fixture
def reads(network):
    """`reads(prompts)`: where each is in what was read, and that."""

    def reads(prompts):
        (_, index, read), *_ = PrefixCache(network).read(
            requests_for(1, {str(prompt): prompt for prompt in prompts}), None
        )
        return index, read

    return reads


@pytest.fixture
def prefixes(network):
    return Prefixes(network, 3, 5)


def _weights(shared, place, length):
    return shared.cache[:, :, place, :, -length:]


def test_a_prompt_is_held_once_for_all_its_rows(prefixes, reads):
    index, read = reads([A, B])
    found = prefixes.admit([A, B, A], [*index, index[0]], read)
    assert found == [0, 1, 0]
    shared = prefixes.shared(np.array(found))
    assert shared.rows_UG.tolist() == [[0, 2], [1, 0]]  # filled up with row 0
    assert shared.place_N.tolist() == [0, 2, 1]
    assert shared.cache.shape[2:5] == (2, 2, 3)  # prompts, heads, columns that some prompt has
    assert torch.equal(_weights(shared, 0, 3), read.cache[:, :, 0])
    assert torch.equal(_weights(shared, 1, 2), read.cache[:, :, 1, :, 1:])
    assert shared.bias_UW.tolist() == [[0, 0, 0], [-torch.inf, 0, 0]]
    assert prefixes.shared(np.array(found)) is shared


def test_without_padding_there_is_no_bias(prefixes, reads):
    found = prefixes.admit([A, C], *reads([A, C]))
    assert prefixes.shared(np.array(found)).bias_UW is None


def test_a_prompt_that_nobody_has_any_more_makes_room(prefixes, reads):
    index, read = reads([A, B, C])
    place_N = np.array(prefixes.admit([A, B, C, C], [*index, index[2]], read))
    place_N = place_N[1:]  # the row of A ends
    prefixes.keep(place_N)
    assert place_N.tolist() == [1, 0, 0]
    shared = prefixes.shared(place_N)
    assert torch.equal(_weights(shared, 0, 3), read.cache[:, :, 2])
    assert torch.equal(_weights(shared, 1, 2), read.cache[:, :, 1, :, 1:])
    assert prefixes.admit([C, A], [index[2], index[0]], read) == [0, 2]


def test_all_may_go(prefixes, reads):
    prefixes.admit([A, B, C], *reads([A, B, C]))
    prefixes.keep(np.array([], np.int64))
    assert prefixes.admit([B], *reads([B])) == [0]


def test_what_was_read_by_weights_that_are_gone_is_not_for_new_rows(prefixes, reads):
    index, read = reads([A])
    assert prefixes.admit([A], index, read) == [0]
    prefixes.seal()
    assert prefixes.admit([A], index, read) == [1]
    assert prefixes.admit([A], index, read) == [1]
    place_N = np.array([1, 1])
    prefixes.keep(place_N)
    assert place_N.tolist() == [0, 0]
    assert prefixes.admit([A], index, read) == [0]
