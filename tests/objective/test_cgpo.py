import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import check_objective, outcome, random_batch
from steelyard.core import SteelyardError, decode, encode
from steelyard.objective import CGPO, CODPO, CRPG, CRRAFT

MIXED = CGPO(CRPG(), CRRAFT(), CODPO(), weights=(1.0, 4.0, 0.5, 1.0, 1.0))


def test_by_hand(batch_of, grad):
    # Two prompts of domain 0 and one of domain 1, which weighs 4: shares are 2/6 and 4/6
    rows = [[-1.0, -2.0]] * 3
    batch = batch_of(rows, [[0.8, 0.2]] * 3, ref=rows)
    batch = batch.labelled(passes=torch.ones(3, 2, dtype=torch.bool), domain=torch.tensor([0, 1, 0]))
    loss = MIXED(batch)
    crpg = (-0.3 * -1.0 + 0.3 * -2.0) / 2
    assert loss.value.item() == pytest.approx(crpg * 2 / 6 + 0.8 * 4 / 6)
    assert loss.weight == 6.0
    by_hand = [[-0.15 / 6, 0.15 / 6], [-0.8 * 4 / 6, 0.0], [-0.15 / 6, 0.15 / 6]]
    assert grad(loss.value, batch)[..., 0].tolist() == [pytest.approx(row) for row in by_hand]
    assert loss.metrics == {"objective/passing": 1.0, "objective/kl": 0.0}


@pytest.mark.parametrize("rule", [CRPG(), CODPO(), CRRAFT()], ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("domain", [None, 0, 3])
def test_of_one_domain_it_is_that_domains_objective_whatever_its_weight(rule, domain):
    batch = random_batch()
    unlabelled = random_batch(labels=("passes", "demonstration"))
    one = unlabelled if domain is None else unlabelled.labelled(domain=torch.full((5,), domain))
    mixture = CGPO(**{"first" if not domain else "fourth": rule}, weights=(3.0, 1.0, 1.0, 3.0, 1.0))
    ours, theirs = outcome(mixture, one), outcome(rule, batch)
    assert ours.loss.value.item() == pytest.approx(theirs.loss.value.item())
    assert ours.loss.weight == 3 * theirs.loss.weight
    assert ours.loss.metrics == pytest.approx(theirs.loss.metrics)
    assert torch.allclose(ours.by_logp_PGT, theirs.by_logp_PGT)


def test_a_mixture_of_different_objectives_conforms():
    assert [v for v in check_objective(MIXED) if not v.passed] == []


def test_weight_zero_leaves_a_domain_out():
    batch = random_batch()
    alone = outcome(CGPO(weights=(1.0, 0.0, 1.0, 1.0, 1.0)), batch)
    assert not alone.by_logp_PGT[batch.label("domain") == 1].any()
    assert alone.by_logp_PGT[batch.label("domain") == 0].any()


@given(st.lists(st.integers(0, 2), min_size=5, max_size=5), st.integers(1, 4))
def test_cutting_a_batch_anywhere_changes_nothing(domains, cut):
    batch = random_batch().labelled(domain=torch.tensor(domains))
    whole = outcome(MIXED, batch)
    parts = [outcome(MIXED, batch.prompts(piece)) for piece in (slice(0, cut), slice(cut, 5))]
    assert sum(part.loss.weight for part in parts) == pytest.approx(whole.loss.weight)
    by_logp_PGT = torch.cat([part.loss.weight * part.by_logp_PGT for part in parts])
    assert torch.allclose(by_logp_PGT, whole.loss.weight * whole.by_logp_PGT)


def test_settings_travel_with_their_objectives():
    assert decode(encode(MIXED)) == MIXED


def test_unknown_domains_and_wrong_weights_are_refused():
    batch = random_batch()
    for number in (-1, 5):
        with pytest.raises(SteelyardError, match="number them from 0 to 4"):
            CGPO()(batch.labelled(domain=torch.full((5,), number)))
    for weights in ((1.0,), (1.0, -1.0, 1.0, 1.0, 1.0)):
        with pytest.raises(SteelyardError, match=r"cgpo\.weights"):
            CGPO(weights=weights)
