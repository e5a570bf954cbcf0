import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Weights, digest_of, weights


@given(st.binary(max_size=64))
def test_a_digest_is_16_hexadecimal_digits_of_the_bytes(raw):
    data = np.frombuffer(raw, np.uint8)
    assert len(digest_of(data)) == 16
    assert int(digest_of(data), 16) >= 0
    assert digest_of(data) == digest_of(data.copy())


@given(st.binary(min_size=1, max_size=64), st.integers(0, 63), st.integers(1, 255))
def test_one_changed_byte_changes_the_digest(raw, position, change):
    data = np.frombuffer(raw, np.uint8).copy()
    before = digest_of(data)
    data[position % len(data)] ^= change
    assert digest_of(data) != before


def test_of_stamps_its_own_digest():
    data = np.arange(4, dtype=np.uint8)
    weights = Weights.of(data, 7)
    assert (weights.version, weights.digest) == (7, digest_of(data))
    assert weights.data is data


def test_bytes_that_are_not_the_digests_are_not_intact():
    data = np.arange(8, dtype=np.uint8)
    weights = Weights.of(data, 1)
    assert weights.intact
    assert Weights(data.copy(), 1, weights.digest).intact
    assert not Weights(data + 1, 1, weights.digest).intact
    assert not replace(weights, data=data + 1).intact
    assert not replace(weights, digest="0" * 16).intact


def test_what_was_stamped_here_is_not_read_again(monkeypatch):
    weights, foreign = Weights.of(np.arange(8, dtype=np.uint8), 1), Weights(np.arange(8, dtype=np.uint8), 1, "0" * 16)
    monkeypatch.setattr("steelyard.core.weights.digest_of", lambda _: pytest.fail("read again"))
    assert weights.intact
    with pytest.raises(pytest.fail.Exception):
        _ = foreign.intact


def test_a_tensors_bytes_are_those_of_memory():
    data = np.arange(8, dtype=np.uint8)
    weights = Weights(torch.from_numpy(data), 1, digest_of(data))
    assert weights.intact
    assert np.array_equal(weights.on_host, data)
    assert not Weights(torch.from_numpy(data + 1), 1, weights.digest).intact
    assert Weights.compared(torch.from_numpy(data + 1), 1, weights.digest).intact, "the caller's word is taken"


def test_many_bytes_are_named_by_the_digests_of_their_pieces(monkeypatch):
    monkeypatch.setattr(weights, "PIECE", 8)
    data = np.arange(20, dtype=np.uint8)
    pieces = b"".join(hashlib.blake2b(bytes(data[i : i + 8])).digest() for i in (0, 8, 16))
    assert digest_of(data) == hashlib.blake2b(pieces, digest_size=8).hexdigest()
    assert digest_of(data[:8]) == hashlib.blake2b(bytes(range(8)), digest_size=8).hexdigest()
    assert len({digest_of(np.roll(data, i)) for i in range(20)}) == 20
