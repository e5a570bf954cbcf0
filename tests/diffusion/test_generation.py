import math

import pytest
import torch

from steelyard.diffusion import DDPM, Diffusion, NoiseSchedule, batch_of
from steelyard.objective import GRPO, Reinforce, VarGradTB
from steelyard.worlds.shapes import clean, denoised, every_shape, nearest

SCHEDULE = NoiseSchedule(steps=12)


def exact(noisy_NX, place_N, label_N):
    """The best noise predictor for clean images of shapes."""
    (place,) = set(place_N.tolist())
    bar = float(SCHEDULE.bar_T[place])
    return (noisy_NX - math.sqrt(bar) * denoised(noisy_NX, math.sqrt(bar), math.sqrt(1 - bar))) / math.sqrt(1 - bar)


def test_the_exact_denoiser_generates_clean_images():
    data_NX = Diffusion(exact, SCHEDULE, 64).sample(torch.zeros(40).long(), seed=0).data_NX
    found = nearest(data_NX)
    spread = float(SCHEDULE.beta_T[0].sqrt())  # what the last step adds
    assert (data_NX - clean()[found]).square().mean().sqrt().item() == pytest.approx(spread, rel=0.3)
    assert len({every_shape()[i].prompt for i in found.tolist()}) > 25


def test_a_step_has_the_density_of_its_normal_law():
    schedule = NoiseSchedule(steps=1)
    model = Diffusion(lambda x, t, c: torch.zeros_like(x), schedule, 2)
    path = model.sample(torch.tensor([0]), seed=1)
    beta = float(schedule.beta_T[0])
    off = (path.state_NSX[0, 1] - path.state_NSX[0, 0] / math.sqrt(1 - beta)).square().sum().item()
    assert path.logp_NT.item() == pytest.approx(-off / (2 * beta) - math.log(2 * math.pi * beta), rel=1e-4)
    assert model.step_logp(path).item() == pytest.approx(path.logp_NT.item(), rel=1e-4)


@pytest.fixture(scope="module")
def model():
    label_N = torch.arange(64) % 2
    rows = (2.0 * label_N[:, None] - 1).expand(-1, 3).contiguous()
    return DDPM(schedule=NoiseSchedule(steps=6), width=32, layers=1, train_steps=60).fit(rows, label_N, seed=0)


@pytest.mark.parametrize("objective", [GRPO(), Reinforce()], ids=lambda o: type(o).__name__)
def test_objectives_learn_from_denoising_steps(model, objective):
    """One step of an objective raises the log-probability of the paths with the higher rewards."""
    paths = [model.sample(torch.full((4,), 2), seed=s) for s in range(3)]
    reward_PG = torch.stack([path.data_NX.mean(1) for path in paths])
    batch = batch_of(model, paths, reward_PG)
    assert batch.logp_PGT.shape == (3, 4, 6)
    assert torch.allclose(batch.logp_PGT, batch.field("logp_behaviour_PGT"), atol=1e-3)
    objective(batch).value.backward()
    weights = list(model.predictor.parameters())
    with torch.no_grad():
        for weight in weights:
            weight -= 1e-4 * weight.grad
        after_PG = batch_of(model, paths, reward_PG).logp_PGT.sum(-1)
        for weight in weights:
            weight += 1e-4 * weight.grad
            weight.grad = None
    centred_PG = reward_PG - reward_PG.mean(1, keepdim=True)
    assert (centred_PG * (after_PG - batch.logp_PGT.sum(-1).detach())).sum() > 0


def test_a_trajectory_balance_residual_of_paths_by_hand(model):
    """Two paths under their own reference: log-probabilities cancel, and the residuals are the rewards'."""
    paths = [model.sample(torch.tensor([0, 1]), seed=7)]
    batch = batch_of(model, paths, torch.tensor([[1.0, 3.0]]))
    batch = batch.replace(logp_ref_PGT=batch.logp_PGT.detach())
    assert VarGradTB(beta=0.5)(batch).value.item() == pytest.approx(1.0, abs=1e-4)
