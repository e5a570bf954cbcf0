import numpy as np

from steelyard.policy import Policy
from steelyard.policy.loading import SHIPPED
from steelyard.worlds import code_reached
from steelyard.worlds.code_reached import PACKAGE, changed, digests, name_of, recording
from steelyard.worlds.shipped_base import shipped_base

WEIGHTS = "policy/base/enumerable/model.safetensors"


def test_the_files_of_a_shipped_base_count_as_what_was_reached():
    with recording() as code:
        code.enter("arm")
        policy = shipped_base("steelyard/enumerable")
        code.enter("another")
    assert np.array_equal(policy.weights(), Policy.load("steelyard/enumerable").weights())
    reached = {name_of(file) for file in code.files("arm")}
    assert {WEIGHTS, "policy/base/enumerable/tokenizer.json", "policy/loading.py"} <= reached
    assert not any(name.startswith("policy/base") for name in map(name_of, code.files("another")))
    assert changed(digests(code.files("arm"))) == []


def test_other_weights_are_a_change(tmp_path, monkeypatch):
    kept = digests([PACKAGE / WEIGHTS])
    other = tmp_path / WEIGHTS
    other.parent.mkdir(parents=True)
    data = bytearray((SHIPPED / "enumerable" / "model.safetensors").read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    monkeypatch.setattr(code_reached, "PACKAGE", tmp_path)
    assert changed(kept) == [WEIGHTS]
