"""The GPU's part on the processor, with a model of a few numbers: what is counted, and that every measurement runs."""

from pathlib import Path

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.experiments.bench import gpu, part, settings_of, summaries
from steelyard.experiments.bench.gpu_work import SAMPLES, decode_bytes, random_policy, requests, step_flops
from steelyard.experiments.bench.page import block
from steelyard.experiments.bench.record import read


@pytest.fixture(scope="module")
def policy():
    return random_policy("tiny", torch.device("cpu"), torch.bfloat16)


def test_without_a_gpu_it_says_so(tmp_path):
    with pytest.raises(SteelyardError, match="bench gpu: torch sees no GPU on this machine"):
        gpu.measure(gpu.Gpu(), tmp_path, print)


def test_it_is_a_part_of_its_own():
    assert part("gpu") is gpu
    assert settings_of(gpu) is gpu.Gpu
    assert summaries()["gpu"].startswith("A GPU: rollouts and learner steps in bfloat16")


def test_bytes_of_a_decode_step_by_hand(policy):
    """2 layers, hidden 32, inner 64, 2 query heads and one key head of 16, 64 words, 2 bytes a number."""
    layer = 32 * (32 + 2 * 16) + 32 * 32 + 3 * 32 * 64
    keys = 2 * 2 * 16 * 8 * (10 + 6 / 2)
    assert decode_bytes(policy.architecture, 8, 10, 6, 2) == 2 * (2 * layer + 64 * 32 + keys)


def test_operations_of_a_learner_step_by_hand(policy):
    layer = 32 * (32 + 2 * 16) + 32 * 32 + 3 * 32 * 64
    fed = 3 * (10 + SAMPLES * 5)
    pairs = 3 * (10**2 / 2 + SAMPLES * (6 * 10 + 6**2 / 2))
    expected = fed * 2 * layer + 2 * 2 * 32 * pairs + 3 * SAMPLES * 6 * 64 * 32
    assert step_flops(policy.architecture, 3, 10, 6) == 6 * expected


def test_samples_of_a_prompt_stand_together():
    asked = requests("tiny", 16, 5)
    assert [(r.prompt_id, r.sample) for r in asked] == [(str(p), s) for p in range(2) for s in range(8)]
    assert len({r.tokens for r in asked}) == 2


def test_the_page_shows_the_kept_record():
    root = Path(__file__).parents[3] / "docs"
    record = read(root / "results" / "bench" / "gpu.json")
    assert block(record, gpu.table(record.rows)) in (root / "performance.md").read_text()


def test_every_measurement_runs_and_shares_are_of_the_limit(monkeypatch):
    for name, value in {"COPIED": 2**16, "SQUARE": 16, "NEW": 4, "GENERATED": 2, "GROUPS": 2, "LENGTH": 8}.items():
        monkeypatch.setattr(gpu, name, value)
    rows = gpu.cell("", 1, [], "cpu") + gpu.cell("tiny", 1, [1, 8], "cpu")
    columns, lines = gpu.table(rows)
    assert [line[0] for line in lines] == [
        "memory", "products", "rollout", "rollout", "generate", "learner", "learner, checkpointed",
        "publish: waits", "publish: seen", "publish: read",
    ]  # fmt: skip
    assert all(len(line) == len(columns) for line in lines)
    by_hand = {"memory": [100.0], "products": [2.0]}
    limits = [{"what": what, "size": "", "rows": 0, "values": v, "unit": ""} for what, v in by_hand.items()]
    rollout = {"what": "rollout", "size": "x", "rows": 4, "values": [50.0], "unit": "tokens/s"}
    assert gpu.table([*limits, {**rollout, "of": "memory", "per_unit": 1e9}])[1][-1][-1] == "50%"
