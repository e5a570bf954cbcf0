"""Weights through a device's memory, for which files stand in; `tests/gpu/test_gpu_weights.py` has the real one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runtime.local.weight_children import other
from runtime.local.weight_processes import FileMemory, bytes_of, write
from steelyard.core import FaultError, SteelyardError, Weights, digest_of
from steelyard.policy import Policy
from steelyard.rollout.staged_weights import StagedWeights
from steelyard.runtime.local.cuda_memory import CudaMemory
from steelyard.runtime.local.device_slots import sums_of
from steelyard.runtime.local.shared import SharedWeights, unnamed_file

SIZE = 10_003


@pytest.fixture
def descriptor():
    handle = unnamed_file()
    yield handle
    os.close(handle)


def first() -> Weights:
    return Weights.of(bytes_of(0, SIZE), 0)


# Sums


def test_the_sums_by_hand():
    """Words 1, 2 and, from the last byte, 3; then one whose upper half is 5 and lower half 6: 6 ^ 5 = 3."""
    block = np.concatenate([np.array([1, 2], "<u8").view(np.uint8), np.array([3], np.uint8)])
    assert sums_of(torch.from_numpy(block)) == (6, 1 + 2 * 2 + 3 * 3)
    mixed = torch.from_numpy(np.array([5 * 2**32 + 6], "<u8").view(np.uint8))
    assert sums_of(mixed) == (5 * 2**32 + 3, 5 * 2**32 + 3)


def test_the_sums_do_not_depend_on_the_pieces(monkeypatch):
    block = torch.from_numpy(bytes_of(1, SIZE))
    whole = sums_of(block)
    monkeypatch.setattr("steelyard.runtime.local.device_slots._PIECE", 7)
    assert sums_of(block) == whole


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_seen(text: bytes, data: st.DataObject) -> None:
    block = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    changed = block.clone()
    changed[data.draw(st.integers(0, len(block) - 1))] ^= data.draw(st.integers(1, 255))
    assert sums_of(changed) != sums_of(block)


def test_words_that_change_places_and_two_changed_signs_are_seen() -> None:
    block = torch.from_numpy(bytes_of(0, 400))
    moved = block.clone()
    moved[8:16], moved[:8] = block[:8], block[8:16]
    assert [one == other for one, other in zip(sums_of(moved), sums_of(block), strict=True)] == [True, False]
    signs = block.clone()
    signs[[7, 8 * 4 + 7]] ^= 128  # an even number of words apart, so that 2^63 alone would leave both sums
    assert sums_of(signs) != sums_of(block)


# One process


@pytest.mark.parametrize("size", [1, 8, SIZE])
def test_what_comes_from_the_device_is_what_comes_from_memory(descriptor: int, tmp_path: Path, size: int) -> None:
    memory = FileMemory(tmp_path)
    store = SharedWeights.create(descriptor, Weights.of(bytes_of(0, size), 0), memory)
    readers = SharedWeights.attach(descriptor, memory), SharedWeights.attach(descriptor)
    for version in range(5):
        if version == 2:
            store.publish(Weights.of(bytes_of(2, size), 2))
        elif version:
            write(store, version, size, "cpu")
        there, here = (reader.read() for reader in readers)
        assert isinstance(there.data, torch.Tensor)
        assert isinstance(here.data, np.ndarray)
        assert there.version == here.version == version
        assert there.digest == here.digest == digest_of(bytes_of(version, size))
        assert np.array_equal(there.on_host, here.data)
    for each in (store, *readers):
        each.close()


def test_what_is_written_is_seen_when_it_is_shown(descriptor: int, tmp_path: Path) -> None:
    memory = FileMemory(tmp_path)
    store = SharedWeights.create(descriptor, first(), memory)
    reader = SharedWeights.attach(descriptor, memory)
    store.write(1, lambda slot_B: np.copyto(slot_B, bytes_of(1, SIZE)))
    assert reader.read().version == 0
    store.show(1)
    assert np.array_equal(reader.read().on_host, bytes_of(1, SIZE))


def test_a_flipped_byte_and_the_bytes_of_another_version_are_faults_that_name_both(
    descriptor: int, tmp_path: Path
) -> None:
    memory = FileMemory(tmp_path)
    store = SharedWeights.create(descriptor, first(), memory)
    write(store, 1, SIZE, "cpu")
    reader = SharedWeights.attach(descriptor, memory)
    (path,) = tmp_path.iterdir()
    slots = memory.open(str(path).encode()).view(2, -1)
    held = reader.read()
    slots[1, SIZE - 1] ^= 1
    with pytest.raises(FaultError, match="version 1 came from the device with bytes that are neither its own nor those"
                       " of version 0"):  # fmt: skip
        reader.read()
    slots[1] = slots[0]
    with pytest.raises(FaultError, match="version 1 came from the device with bytes that are those of version 0"):
        reader.read()
    assert np.array_equal(held.on_host, bytes_of(1, SIZE)), "what a reader took is its own"
    assert np.array_equal(SharedWeights.attach(descriptor).read().data, bytes_of(1, SIZE))


def test_an_engine_takes_weights_that_are_a_tensor(tiny_model_dir, descriptor: int, tmp_path: Path) -> None:
    policy = Policy.load(str(tiny_model_dir("llama")))
    before = policy.weights()
    staged = StagedWeights(policy)
    memory = FileMemory(tmp_path)
    newer = Weights.of(before[::-1].copy(), 4)
    SharedWeights.create(descriptor, newer, memory)
    staged.offer(SharedWeights.attach(descriptor, memory).read())
    staged.take()
    assert (staged.version, staged.digest) == (4, newer.digest)
    assert policy.weights().tobytes() == newer.on_host.tobytes()
    with policy.holding(torch.from_numpy(before)):
        assert policy.weights().tobytes() == before.tobytes()
    assert policy.weights().tobytes() == newer.on_host.tobytes()


def test_the_processors_memory_is_no_gpus() -> None:
    with pytest.raises(SteelyardError, match=r"--local\.weights: is device, but this is the cpu; use host"):
        CudaMemory(torch.device("cpu"))


# Real processes


def test_no_reader_mixes_versions_over_200_publications(descriptor: int, tmp_path: Path) -> None:
    size = 200_001
    with other("write", descriptor, tmp_path, size, 200) as writer:
        writer.says("created")
        with other("read", descriptor, tmp_path, size, 200) as reader:
            reader.says("attached")
            writer.go_on()
            writer.says("written")
            versions, _ = reader.says("read")
        assert versions == sorted(versions)
        assert versions[-1] == 200
        assert len(set(versions)) > 1
        at_the_end = SharedWeights.attach(descriptor).read()
        assert np.array_equal(at_the_end.on_host, bytes_of(200, size))


def test_a_reader_that_is_overtaken_in_the_middle_reads_again(descriptor: int, tmp_path: Path) -> None:
    """Its first copy begins with version 1 and ends with version 3, which came meanwhile; nobody sees that one."""
    store = SharedWeights.create(descriptor, first(), FileMemory(tmp_path))
    write(store, 1, SIZE, "cpu")
    with other("read", descriptor, tmp_path, SIZE, 3, 0) as reader:
        reader.says("attached")
        reader.says("half way")
        write(store, 2, SIZE, "cpu")
        write(store, 3, SIZE, "cpu")
        reader.go_on()
        versions, torn = reader.says("read")
    assert versions == [3]
    assert torn == [True, False]


def test_a_writer_that_is_killed_in_the_middle_leaves_the_version_before(descriptor: int, tmp_path: Path) -> None:
    """Version 3 goes where version 1 was. Who goes on after that opens the next learner's memory."""
    with other("write", descriptor, tmp_path, SIZE, 3, 3) as writer:
        writer.says("created")
        reader = SharedWeights.attach(descriptor, FileMemory(tmp_path))
        writer.go_on()
        writer.says("half way")
        assert reader.read().version == 2
    assert writer.process.returncode == -9
    for _ in range(2):
        left = reader.read()
        assert left.version == reader.newest() == 2
        assert np.array_equal(left.on_host, bytes_of(2, SIZE))
    again = unnamed_file()
    SharedWeights.create(again, Weights.of(bytes_of(7, SIZE), 7), FileMemory(tmp_path))
    new = SharedWeights.attach(again, FileMemory(tmp_path)).read()
    assert new.version == 7
    assert np.array_equal(new.on_host, bytes_of(7, SIZE))
    assert reader.read().version == 2
    os.close(again)
