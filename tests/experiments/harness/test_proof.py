from dataclasses import replace

import pytest

from steelyard.check import import_rooms
from steelyard.core import SteelyardError, find
from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.harness.claim import SeedsAgree
from steelyard.experiments.harness.proof_index import load, module_of, proof_modules, proof_of

CLAIM = Claim("better by 3 points", "accuracy", "reinforce", 0.03)
ARMS = dict.fromkeys(("mine", "mine-off", "reinforce", "other", "ga"))
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
        ({"claims": (replace(CLAIM, control=None),)}, "no claim that its control must fail"),
        ({"claims": (replace(CLAIM, control="mine"),)}, "the control of itself"),
        ({"seeds": 13}, "other than 3 to 12 seeds"),
        ({"seeds": 2}, "other than 3 to 12 seeds"),
        ({"first_seed": 897}, "not between 0 and 900"),
    ],
)
def test_a_proof_that_cannot_fail_is_none(changes, said):
    with pytest.raises(SteelyardError, match=said):
        replace(PROOF, **changes)


def test_a_claim_of_not_worse_stands_beside_one_of_better():
    replace(PROOF, claims=(CLAIM, replace(CLAIM, baseline=0.5, min_effect=-0.02)))


def test_the_arms_of_the_claims_are_those_that_a_verdict_depends_on():
    claims = (CLAIM, replace(CLAIM, ours="other", baseline=0.5, control="ga"))
    assert replace(PROOF, claims=claims).claimed == ("mine", "mine-off", "reinforce", "other", "ga")
    arm = replace(PROOF, rates={"mine": 1e-3}).arm("mine")
    assert (arm.name, arm.settings, arm.rate) == ("mine", None, 1e-3)


def test_a_gain_has_the_control_and_not_worse_has_none_but_the_one_that_it_names():
    worse = replace(CLAIM, min_effect=-0.02)
    claims = (
        CLAIM,
        worse,
        replace(worse, control="ga"),
        replace(CLAIM, control=None),
        replace(CLAIM, baseline="mine-off"),
    )
    proof = replace(PROOF, claims=claims)
    assert [proof.control_of(claim) for claim in claims] == ["mine-off", None, "ga", None, None]


def test_the_later_block_follows_the_first():
    proof = replace(PROOF, first_seed=110, seeds=5)
    assert (proof.block(later=False), proof.block(later=True)) == (range(110, 115), range(115, 120))


def test_a_claim_fits_its_cell():
    with pytest.raises(SteelyardError, match=r"claim.text: is 'xxx.*'; use a text of at most 160 characters"):
        replace(CLAIM, text="x" * 161)
    with pytest.raises(SteelyardError, match="more than all"):
        _ = replace(CLAIM, relative=True, lower_is_better=True, min_effect=1.0).threshold


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
