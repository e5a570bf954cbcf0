"""docs/add-a-method.md, done as it says: its method, test and proof, put where it puts them."""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest

import steelyard.experiments.proofs.objective
import steelyard.objective
from steelyard.check import import_rooms
from steelyard.cli import main
from steelyard.core import cards
from steelyard.experiments.harness import proof_index
from steelyard.experiments.harness.proof import judge_all, verdict_of

PAGE = Path(__file__).parents[2] / "docs" / "add-a-method.md"
BLOCKS = dict(re.findall(r"^`(\S+\.py)`\n\n```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S))
METHOD, TEST, PROOF = BLOCKS


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The files of the page, where the packages find them, for the length of a test."""
    for name, text in BLOCKS.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    for room in (steelyard.objective, steelyard.experiments.proofs.objective):
        place = tmp_path / "src" / room.__name__.replace(".", "/")
        monkeypatch.setattr(room, "__path__", [*room.__path__, str(place)])
    import_rooms()  # so that what they register stays when the copy below goes
    registry = sys.modules["steelyard.core.method"]
    monkeypatch.setattr(registry, "_cards", dict(registry._cards))
    monkeypatch.syspath_prepend(tmp_path / "tests" / "objective")
    importlib.invalidate_caches()
    proof_index.forget()
    yield tmp_path
    proof_index.forget()
    for module in ("steelyard.objective.raft", "steelyard.experiments.proofs.objective.raft", "test_raft"):
        sys.modules.pop(module, None)
    for room in (steelyard.objective, steelyard.experiments.proofs.objective):
        vars(room).pop("raft", None)


def test_the_page_costs_what_the_house_allows():
    lines = {name: len(text.splitlines()) for name, text in BLOCKS.items()}
    assert lines[METHOD] <= 60
    assert lines[PROOF] <= 100
    assert sum(lines.values()) <= 170
    assert "raft" not in {card.id for card in cards()}, "the page is about a method that the package lacks"


def test_its_method_passes_its_own_test_and_the_suite(added, request, capsys):
    importlib.import_module("steelyard.objective.raft")
    assert main(["check", "raft"]) == 0
    assert main(["check", "steelyard.objective.raft:RAFT", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out.splitlines()[-1])["checks"]
    assert len(checks) >= 19
    assert all(check["passed"] for check in checks)
    tests = [f for name, f in vars(importlib.import_module("test_raft")).items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})


def test_its_proof_shows_the_effect_and_its_control_does_not(added):
    importlib.import_module("steelyard.objective.raft")
    id, module = proof_index.module_of("raft")
    assert id == "raft"
    proof = proof_index.load(module)
    arms = dict(proof.measure(900, proof.quick, map(proof.arm, proof.claimed)))
    nearly = {arm: row | {"accuracy": row["accuracy"] + (arm == "raft") / 512} for arm, row in arms.items()}
    own, control = judge_all(proof, {900: arms, 901: nearly})  # two like seeds: a narrow interval
    assert verdict_of(own, control) == "shown", arms
