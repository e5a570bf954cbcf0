import hashlib

import pytest
import torch

from steelyard.core import FaultError
from steelyard.rollout.vllm_weights import EMPTY, check, memory_directory


def sha256(tensor):
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


OURS = {
    "embed_tokens.weight": torch.arange(12.0).reshape(3, 4),
    "layers.0.q_proj.weight": torch.ones(4, 4),
    "layers.0.k_proj.weight": torch.full((2, 4), 2.0),
    "layers.0.v_proj.weight": torch.full((2, 4), 3.0),
    "layers.0.conv.weight": torch.arange(6.0).reshape(2, 3),
    "norm.weight": torch.ones(4),
}
JOINED = torch.cat([OURS[f"layers.0.{part}_proj.weight"] for part in "qkv"])
THEIRS = {
    "dp0:tp0:embed_tokens.weight": sha256(torch.cat([OURS["embed_tokens.weight"], torch.zeros(61, 4)])),
    "dp0:tp0:layers.0.qkv_proj.weight": sha256(JOINED),
    "dp0:tp0:layers.0.conv.weight": sha256(OURS["layers.0.conv.weight"].T),
    "dp0:tp0:norm.weight": sha256(OURS["norm.weight"]),
}


def test_layouts_of_the_server_are_known():
    assert check(THEIRS, OURS) == 4


def test_layers_that_may_have_adapters_have_other_names():
    told = {name.replace("embed_tokens", "embed_tokens.base_layer"): checksum for name, checksum in THEIRS.items()}
    assert check(told, OURS) == 4


def test_what_is_packed_away_or_not_ours_is_not_compared():
    told = THEIRS | {"dp0:tp0:layers.0.qkv_proj.weight": EMPTY, "dp0:tp0:rotary.cache": "abc"}
    assert check(told, OURS) == 3


@pytest.mark.parametrize("name", [name.rpartition(":")[2] for name in THEIRS])
def test_one_other_bit_is_found_in_each(name):
    spoilt = {n: t.clone() for n, t in OURS.items()}
    part = name.replace("qkv_proj", "v_proj")
    spoilt[part].view(-1)[-1] += 1e-6
    with pytest.raises(FaultError, match=f"{name} is not what was sent"):
        check(THEIRS, spoilt)


def test_parts_in_another_order_are_other_weights():
    told = {"tp0:layers.0.qkv_proj.weight": sha256(JOINED.flip(0))}
    with pytest.raises(FaultError, match=r"qkv_proj\.weight is not what was sent"):
        check(told, OURS)


@pytest.mark.parametrize("told", [{}, {"dp0:other.weight": "abc"}, {"dp0:norm.weight": EMPTY}])
def test_something_must_be_compared(told):
    with pytest.raises(FaultError, match="none of its parameters can be compared"):
        check(told, OURS)


def test_bfloat16_is_compared_by_its_bytes():
    norm = torch.ones(4, dtype=torch.bfloat16)
    told = {"dp0:norm.weight": hashlib.sha256(norm.view(torch.uint8).numpy().tobytes()).hexdigest()}
    assert check(told, {"norm.weight": norm}) == 1
    with pytest.raises(FaultError):
        check(told, {"norm.weight": norm.float()})


def test_nobody_else_can_read_the_file():
    with memory_directory() as directory:
        from pathlib import Path

        assert Path(directory).stat().st_mode & 0o077 == 0
    assert not Path(directory).exists()
