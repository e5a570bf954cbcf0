"""A run still gives the numbers that it gave before the runtimes shared one coordinator.

The record holds digests of what `benchmarks/unchanged_bits.py` compares. They are the same only where processor, torch
and numpy are, so elsewhere this is skipped; the script makes both sides anew on any machine.
"""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads(Path(__file__).with_name("unchanged_bits.json").read_text())


@pytest.fixture(scope="module")
def script():
    """The script, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("unchanged_bits", ROOT / "benchmarks/unchanged_bits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["arithmetic with faults", "enumerable"])
def test_a_run_gives_the_recorded_numbers(name, script, tmp_path):
    here = script.fingerprint()
    unlike = [f"{part} {here[part]}" for part, recorded in RECORD["fingerprint"].items() if here[part] != recorded]
    if unlike:
        pytest.skip(f"the record was made with another {', '.join(unlike)}")
    directory = tmp_path / "run"
    script.train(ROOT / "src", name, 0, directory)
    found = script.summary(script.renamed(script.extracted(ROOT / "src", directory)))
    recorded = RECORD["digests"][f"{name}, seed 0"]
    assert found == recorded, [kind for kind in recorded if found.get(kind) != recorded[kind]]


def test_a_difference_is_found_and_named(script):
    row = {"step": 1, "replay/foreign": 0.0, "objective/loss": 0.5}
    before = {"weights": {"a": "1"}, "metrics": [row, row], "events": [], "buffer": [[1, 2]]}
    metrics = [dict(script.renamed(before)["metrics"][0])] * 2
    after = {"weights": {"a": "2"}, "metrics": metrics, "events": [], "buffer": [[1, 3]]}
    lines = script.differences(script.renamed(before), after)
    assert [line.split()[0] for line in lines] == ["weights:", "buffer"]
    assert not script.differences(script.renamed(before), script.renamed(before))
    changed = {**after, "metrics": [after["metrics"][0], {**after["metrics"][1], "objective/loss": 0.25}]}
    assert any(
        "metrics 1: {'objective/loss': (0.5, 0.25)}" in line
        for line in script.differences(script.renamed(before), changed)
    )
