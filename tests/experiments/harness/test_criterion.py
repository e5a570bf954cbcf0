from dataclasses import replace

import pytest

from steelyard.core import moved
from steelyard.experiments.harness import Claim
from steelyard.experiments.harness.criterion import claims_digest, measure_digest
from steelyard.experiments.harness.proof_index import load

PROOF = '''
"What a toy measures."
from steelyard.experiments.harness import Claim, Proof

STEPS = {steps}
UNUSED = {unused}

class Setting:
    rounds: int = {rounds}
    """{text}"""

def step(rate):
    """{text}"""
    return rate * STEPS * Setting.rounds  # {comment}

def measure(seed, quick, arms):
    yield "ours", {{"score": {called}(0.1)}}

PROOF = Proof(proves=("toy",), ours="ours", control="off", equal="nothing", measure=measure, first_seed={first},
              arms={{"base": 0, "ours": {setting}, "off": 0}}, setting=1, quick={quick}, rates={{"ours": {rate}}},
              claims=(Claim("more", metric="score", baseline="base", min_effect=0.1),))
'''
PLAIN = {"steps": 3, "unused": 1, "text": "A step.", "comment": "one", "called": "step", "first": 0} | {
    "setting": 1, "quick": 1, "rounds": 1, "rate": 1e-3,
}  # fmt: skip


@pytest.fixture
def digest(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def of(template: str = PROOF, **changes) -> str:
        name = f"toy_{tmp_path.name}_{len(written)}"
        written.append(name)
        (tmp_path / f"{name}.py").write_text(template.format(**PLAIN | changes))
        return measure_digest(load(name))

    return of


def test_the_measure_is_what_it_reads_from_its_module_and_no_word_of_it(digest):
    plain = digest()
    for same in ({"text": "Another."}, {"comment": "two"}, {"unused": 2}, {"first": 7}, {"quick": 2}):
        assert digest(**same) == plain
    for other in ({"steps": 4}, {"called": "-step"}, {"setting": 2}, {"rate": 3e-3}, {"rounds": "'1'"}):
        assert digest(**other) != plain
    assert digest(PROOF.replace("(rate):", "(rate: float) -> float:")) == plain


def test_the_digest_is_that_of_every_python(digest):
    assert digest() == "43e2d8db1cc4e236"  # recorded with 3.11; 3.12 and 3.13 read the same tree


def test_a_name_that_moved_is_the_name_that_it_was(digest, monkeypatch):
    plain = digest()
    renamed = PROOF.replace("STEPS", "NUM_STEPS").replace('"score"', '"points"')
    assert digest(renamed) != plain
    monkeypatch.setattr(moved, "NAMES", {"STEPS": "NUM_STEPS", "score": "points"})
    assert digest(renamed) == plain


def test_the_claims_are_what_decides_and_nothing_else(digest):
    proof = load("steelyard.experiments.proofs.guard.saferoute")
    claim = Claim("more", "score", "large", 0.5)
    base = replace(proof, claims=(claim,))
    assert claims_digest(replace(base, equal="words", first_seed=7)) == claims_digest(base)
    for field, value in (
        ("min_effect", 0.4), ("metric", "other"), ("lower_is_better", True), ("baseline", "random"), ("relative", True),
        ("ours", "small"), ("control", "entropy"),
    ):  # fmt: skip
        assert claims_digest(replace(base, claims=(replace(claim, **{field: value}),))) != claims_digest(base)
    assert claims_digest(replace(base, claims=(replace(claim, control=proof.control),))) == claims_digest(base)
