import pytest
import torch

from rollout.drawn import requests_for
from steelyard.core import Request
from steelyard.rollout.prefix_cache import PrefixCache

PROMPTS = {"c": (4, 4, 15), "a": (5, 14), "b": (9,)}


@pytest.fixture
def passes(network, monkeypatch):
    """The prompts of each forward pass."""
    passes, read = [], network.read

    def watched(tokens_NT, attend_NT):
        passes.append([tuple(t[a].tolist()) for t, a in zip(tokens_NT, attend_NT, strict=True)])
        return read(tokens_NT, attend_NT)

    monkeypatch.setattr(network, "read", watched)
    return passes


def _all(shelf, requests, following=None):
    """(request, logits of its prompt, keys and values of it) of each."""
    found = []
    for part, index, read in shelf.read(requests, following):
        for request, u in zip(part, index, strict=True):
            found.append((request, read.logits_UV[u], read.cache[:, :, u, :, -len(request.tokens) :]))
    return found


def test_samples_of_a_prompt_share_what_was_read_of_it(network, passes):
    requests = requests_for(3, PROMPTS)
    found = _all(PrefixCache(network), requests)
    assert [request for request, *_ in found] == requests
    assert passes == [list(PROMPTS.values())]
    for request, logits_V, kept in found:
        ((_, alone_V, alone),) = _all(PrefixCache(network), [request])
        torch.testing.assert_close(logits_V, alone_V)
        torch.testing.assert_close(kept, alone)


def test_the_prompt_that_is_not_used_up_is_kept(network, passes):
    shelf, requests = PrefixCache(network), requests_for(4, PROMPTS)
    whole = _all(PrefixCache(network), requests)
    passes.clear()
    found = []
    for start in range(0, 12, 3):
        found += _all(shelf, requests[start : start + 3], requests[start + 3] if start < 9 else None)
    assert passes == [[PROMPTS["c"]], [PROMPTS["a"]], [PROMPTS["b"]]]
    assert [request for request, *_ in found] == requests
    for (_, *one), (_, *other) in zip(found, whole, strict=True):
        torch.testing.assert_close(one, other)


def test_what_old_weights_read_is_forgotten(network, passes):
    shelf, request = PrefixCache(network), Request("b", (9,), 0)
    _all(shelf, [request], request)
    _all(shelf, [request], request)
    assert len(passes) == 1
    shelf.clear()
    _all(shelf, [request])
    assert len(passes) == 2
    _all(shelf, [request])  # nothing was to follow
    assert len(passes) == 3


def test_what_is_kept_has_memory_of_its_own(network):
    shelf, requests = PrefixCache(network), requests_for(2, PROMPTS)
    ((*_, read),) = shelf.read(requests[:5], requests[5])
    tokens, kept = shelf._kept
    assert tokens == PROMPTS["b"]
    assert kept.cache.untyped_storage().nbytes() * 3 == read.cache.untyped_storage().nbytes()
