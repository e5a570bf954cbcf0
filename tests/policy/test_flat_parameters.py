import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.policy import flat_parameters

DTYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.float64])
SHAPES = st.lists(st.integers(0, 4), max_size=3)


def _random(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape, dtype in shapes]


@given(st.lists(st.tuples(SHAPES, DTYPES), min_size=1, max_size=5))
def test_a_round_trip_is_bit_exact_whatever_the_types(shapes):
    source, target = _random(shapes, 0), _random(shapes, 1)
    data = flat_parameters.read(source)
    assert data.dtype == np.uint8
    assert data.nbytes == flat_parameters.size_of(source) == sum(p.numel() * p.element_size() for p in source)
    flat_parameters.write(target, data)
    assert all(torch.equal(a, b) for a, b in zip(source, target, strict=True))
    assert np.array_equal(flat_parameters.read(target), data)
    flat_parameters.write(source, torch.from_numpy(data) ^ 1)
    assert np.array_equal(flat_parameters.read(source), data ^ 1)


def test_bytes_are_a_copy_and_read_only_bytes_can_be_loaded():
    p = torch.arange(4.0)
    data = flat_parameters.read([p])
    p += 1
    flat_parameters.write([p], np.frombuffer(data.tobytes(), np.uint8))  # not writable
    assert p.tolist() == [0, 1, 2, 3]


def test_a_copy_can_be_made_in_place():
    p, block = [torch.arange(4.0), torch.ones(3, dtype=torch.bfloat16)], np.full(22, 7, np.uint8)
    assert flat_parameters.read(p, block) is block
    assert np.array_equal(block, flat_parameters.read(p))


def test_not_a_number_travels_too():
    p, q = torch.tensor([float("nan"), -0.0, 1e-45]), torch.zeros(3)
    flat_parameters.write([q], flat_parameters.read([p]))
    assert p.view(torch.int32).tolist() == q.view(torch.int32).tolist()


def test_another_size_is_refused_before_anything_changes():
    p = torch.zeros(4)
    with pytest.raises(SteelyardError, match="15 bytes of weights for a policy that has 16"):
        flat_parameters.write([p], np.full(15, 7, np.uint8))
    assert not p.any()
