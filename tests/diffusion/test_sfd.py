import pytest
import torch

from steelyard.check import check_method
from steelyard.core import SteelyardError
from steelyard.diffusion import DDPM, SFD
from steelyard.diffusion.class_forgetting import ForgetClasses

REQUEST = ForgetClasses((1,), (0,), 3)


@pytest.fixture(scope="module")
def knowing():
    """Three classes of rows, at -1, 1 and 3."""
    label_N = torch.arange(96) % 3
    data_NX = (2.0 * label_N[:, None] - 1).expand(-1, 4).contiguous()
    return DDPM(width=32, layers=1, train_steps=200).fit(data_NX, label_N, seed=0)


def run(forgotten):
    forgotten.fit.run()
    return forgotten.model


def test_the_loss_by_hand():
    # f - x = (1, -1), so omega is 1; f - f_psi = (1, 0): 1 * (1 - 1.2 * 1) + 0.
    loss = SFD(alpha=1.2).identity_loss(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, -1.0]]))
    assert loss.item() == pytest.approx(-0.2)


def test_where_the_two_networks_agree_there_is_no_loss():
    rows = torch.randn(3, 2)
    assert SFD().identity_loss(torch.zeros(3, 2), rows, rows).item() == 0.0
    assert torch.isfinite(SFD().identity_loss(rows, rows, rows + 1.0)), "omega has a floor"


def test_a_forgotten_class_gets_the_safe_one_and_others_stay(knowing):
    how = SFD(forget_weight=1.0, batch=32, forget_steps=150).at(1e-3)
    mean_N = run(how.begin(knowing, REQUEST, seed=0)).rows(torch.tensor([0, 1, 2]).repeat(50), seed=1).mean(1)
    zero, one, two = mean_N.reshape(50, 3).mean(0).tolist()
    assert abs(one - zero) < 0.6, "class 1 is made as class 0"
    assert two > 2.0, "class 2 is where it was"


def test_without_a_weight_it_distils_alone(knowing):
    how = SFD(forget_weight=0.0, batch=32, forget_steps=60).at(1e-3)
    mean_N = run(how.begin(knowing, REQUEST, seed=0)).rows(torch.ones(50).long(), seed=1).mean(1)
    assert float(mean_N.mean()) > 0.3, "class 1 does not become class 0"


def test_equal_seeds_give_equal_generators_and_the_model_that_knows_stays(knowing):
    before = [p.clone() for p in knowing.predictor.parameters()]
    state = torch.get_rng_state()
    label_N = torch.tensor([0, 1, 2])
    one, two, other = (
        run(SFD(forget_steps=5).begin(knowing, REQUEST, seed=s)).rows(label_N, seed=1) for s in (3, 3, 4)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(before, knowing.predictor.parameters(), strict=True))


def test_it_keeps_the_contract():
    assert {v.check: v.reason for v in check_method(SFD) if not v.passed} == {}


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match="above --most"):
        SFD(least=3.0, most=1.0)
    with pytest.raises(SteelyardError, match=r"sfd\.alpha"):
        SFD(alpha=-1.0)
