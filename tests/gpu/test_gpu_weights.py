"""Weights through the memory of a GPU that two processes share; see `tests/runtime/local/test_device_slots.py`."""

import json
import os

import numpy as np
import pytest

from runtime.local.weight_children import other
from runtime.local.weight_processes import bytes_of
from steelyard.runtime.local.shared import SharedWeights, unnamed_file


@pytest.fixture
def descriptor():
    handle = unnamed_file()
    yield handle
    os.close(handle)


@pytest.mark.parametrize("size", [4099, 2**24 + 3])
def test_no_reader_mixes_versions_over_200_publications(descriptor, size):
    """Every read is compared with the version's bytes and digest in the reader's process, and the last with memory."""
    with other("write", descriptor, "cuda", size, 200) as writer:
        writer.says("created")
        with other("read", descriptor, "cuda", size, 200) as reader:
            reader.says("attached")
            writer.go_on()
            writer.says("written")
            versions, _ = reader.says("read")
        assert versions == sorted(versions)
        assert versions[-1] == 200
        assert len(set(versions)) > 1
        through_memory = SharedWeights.attach(descriptor).read()
        assert through_memory.version == 200
        assert np.array_equal(through_memory.on_host, bytes_of(200, size))
        writer.go_on()
        assert writer.process.wait(60) == 0


def test_a_run_whose_weights_go_this_way(steelyard, tmp_path):
    words = ("--device", "cuda", "--local.weights", "device", "--num-searchers", "2", "--max-steps", "60")
    words += ("--evaluation.every", "60", "--evaluation.prompts", "64", "--evaluation.sampled-prompts", "4")
    steelyard("train", "arithmetic", *words, "--output-dir", "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["steps"] == 60
    assert result["accuracy_after"] > result["accuracy_before"] + 0.2
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(row["search/logp_mismatch_max"] or 0 for row in metrics) < 1e-3
