from dataclasses import replace

import pytest

from steelyard.check import import_rooms
from steelyard.core import SteelyardError, find
from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.harness.claim import SeedsAgree
from steelyard.experiments.harness.proof_index import load, module_of, proof_modules, proof_of

CLAIM = Claim("better by 3 points", "accuracy", "reinforce", 0.03)
ARMS = dict.fromkeys(("mine", "mine-off", "reinforce", "other"))
PROOF = Proof(
    ("mine",), "mine", "mine-off", "the samples", (CLAIM,), lambda seed, setting, arms: iter(()), ARMS, None, None
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"proves": ()}, "does not say which method"),
        ({"ours": ""}, "does not name its arms"),
        ({"control": "mine"}, "the method itself as its control"),
        ({"equal": " "}, "what is equal"),
        ({"claims": ()}, "claims nothing"),
        ({"claims": (replace(CLAIM, min_effect=0.0),)}, "an arm without effect meets"),
        ({"claims": (replace(CLAIM, metric=""),)}, "without a text or a metric"),
        ({"claims": (replace(CLAIM, baseline="mine"),)}, "with itself"),
        ({"claims": (replace(CLAIM, baseline="other", ours="other"),)}, "with itself"),
        ({"claims": (replace(CLAIM, baseline="rloo"),)}, "has no arm 'rloo'"),
        ({"rates": {"rloo": 1e-3}}, "has no arm 'rloo'"),
        ({"claims": (replace(CLAIM, rule=SeedsAgree("more than")),)}, "judged by its interval"),
    ],
)
def test_a_proof_that_cannot_fail_is_none(changes, said):
    with pytest.raises(SteelyardError, match=said):
        replace(PROOF, **changes)


def test_a_claim_of_not_worse_stands_beside_one_of_better():
    replace(PROOF, claims=(CLAIM, replace(CLAIM, baseline=0.5, min_effect=-0.02)))


def test_the_arms_of_the_claims_are_those_that_a_verdict_depends_on():
    claims = (CLAIM, replace(CLAIM, ours="other", baseline=0.5))
    assert replace(PROOF, claims=claims).claimed == ("mine", "mine-off", "reinforce", "other")
    arm = replace(PROOF, rates={"mine": 1e-3}).arm("mine")
    assert (arm.name, arm.settings, arm.rate) == ("mine", None, 1e-3)


@pytest.mark.parametrize("id", proof_modules())
def test_a_proof_proves_methods_of_its_room_that_say_what_they_gain(id):
    import_rooms()
    module = proof_modules()[id]
    first, *others = load(module).proves
    assert first == id
    assert find(first).room == module.split(".")[-2]
    for method in (first, *others):
        assert find(method).claim, f"{method} does not say what it gains"
        assert module_of(method) == (id, module)


def test_a_method_without_a_proof():
    assert proof_of("dpo") is None
    with pytest.raises(SteelyardError, match="dpo: has no proof"):
        module_of("dpo")
