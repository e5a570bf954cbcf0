from pathlib import Path

import msgspec
import pytest

from steelyard.experiments.harness import Claim, Proof, current, evidence
from steelyard.experiments.harness.criterion import claims_digest, measure_digest
from steelyard.experiments.harness.current import why_not
from steelyard.experiments.harness.processes import keep
from steelyard.experiments.harness.proof_record import Block, CodeUsed, ProofRecord
from steelyard.worlds import code_reached

FILE = Path(__file__)


def measure(seed, setting, arms):
    yield from ()


ARMS: dict[str, None] = dict.fromkeys(["ours", "base", "off"])
PROOF = Proof(("toy",), "ours", "off", "all", (Claim("more", "score", "base", 0.1),), measure, ARMS, None, None)


def block(*seeds: int, verdict: str = "shown") -> Block:
    return Block([*seeds], verdict, 0.01, [], "2026-01-01", "a machine", 1.0, 1.0, None)


@pytest.fixture
def record() -> ProofRecord:
    """What would be measured today."""
    files = [code_reached.PACKAGE / "core" / "batch.py", FILE]
    code = CodeUsed(code_reached.digests(files, criterion=FILE), code_reached.versions())
    digests = (claims_digest(PROOF), measure_digest(PROOF))
    return ProofRecord(
        "toy", "all", [], digests[0], "steelyard prove toy", block(0, 1, 2), block(3, 4, 5),
        measure_digest=digests[1], code=code,
    )  # fmt: skip


def test_a_record_is_current_where_nothing_has_changed(record):
    assert why_not(record, PROOF, FILE) == ""
    noisy = msgspec.structs.replace(record, first=block(0, 1, 2, verdict="too noisy"), later=None)
    assert why_not(noisy, PROOF, FILE) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"claims_digest": "other"}, "something else is claimed now"),
        ({"measure_digest": "other"}, "it is measured in another way now"),
        ({"first": block(5, 6, 7)}, "it takes other seeds now"),
        ({"later": None}, "its later block is not there"),
        ({"later": block(6, 7, 8)}, "its later block is not there"),
        ({"measure_digest": None}, "its record does not say how it was measured, and by which code"),
        ({"code": None}, "its record does not say how it was measured, and by which code"),
        ({"code": CodeUsed({}, {"torch": "1.0"})}, "Python or a library is another one now"),
        (
            {"code": CodeUsed({"core/batch.py": "other", "core/gone.py": ""}, code_reached.versions())},
            "code that it uses has changed (core/batch.py, core/gone.py)",
        ),
    ],
)
def test_whatever_has_changed_is_named(record, change, reason):
    assert why_not(msgspec.structs.replace(record, **change), PROOF, FILE) == reason


def test_those_of_the_source_tree_are_looked_up_and_each_gets_its_line(record, tmp_path, monkeypatch):
    keep(tmp_path / "toy.json", record)
    keep(tmp_path / "old.json", msgspec.structs.replace(record, id="old", code=None))
    monkeypatch.setattr(evidence, "evidence", lambda: tmp_path)
    monkeypatch.setattr(current, "load", lambda module: PROOF)
    monkeypatch.setattr(current, "file_of_module", lambda module: FILE)
    lines: list[str] = []
    assert current.current({"toy": "a", "old": "b", "new": "c"}, lines.append) == {"toy": record}
    assert lines == [
        "toy: its record of 2026-01-01 is current",
        "old: to be measured: its record does not say how it was measured, and by which code",
        "new: to be measured: it has no record",
    ]
    monkeypatch.setattr(evidence, "in_source_tree", lambda: False)
    assert current.current({"toy": "a"}, lines.append) == {}
