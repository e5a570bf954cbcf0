"""A network of our own over a tiny model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.policy import Policy
from steelyard.rollout.network import Network


@pytest.fixture
def llama(tiny_model_dir: Callable[[str], Path]) -> Policy:
    """A policy that was read without transformers."""
    return Policy.load(str(tiny_model_dir("llama")))


@pytest.fixture
def network(llama: Policy) -> Network:
    """Its weights, laid out for generation."""
    assert llama.architecture is not None
    network = Network(llama.architecture, llama.device, llama.dtype)
    network.reserve(64)
    network.take(llama.plain_weights())
    return network
