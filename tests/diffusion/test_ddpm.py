import pytest
import torch

from steelyard.check import check_method
from steelyard.core import SteelyardError
from steelyard.diffusion import DDPM
from steelyard.diffusion.ddpm import denoising_loss
from steelyard.worlds.shapes import Shapes, denoised


def test_it_keeps_the_contract():
    verdicts = check_method(DDPM(width=32, layers=1, train_steps=150))
    assert len(verdicts) >= 10
    assert {v.check: v.reason for v in verdicts if not v.passed} == {}


def test_the_loss_by_hand():
    rows, labels = torch.zeros(4, 2), torch.zeros(4).long()
    schedule = DDPM().schedule
    draws = torch.Generator().manual_seed(0)
    torch.randint(16, (4,), generator=draws)
    noise = torch.randn(4, 2, generator=draws)
    found = denoising_loss(lambda x, t, c: 0 * x, schedule, rows, labels, torch.Generator().manual_seed(0))
    assert found.item() == pytest.approx(noise.square().mean().item())


def test_on_shapes_it_comes_near_the_best_denoiser_and_not_below():
    images = Shapes(noise=0.0, copies=1).images("train")
    trainer = DDPM(width=64, layers=2, train_steps=250)
    model = trainer.fit(images.input_NF, images.label_N, seed=0)
    place = torch.full((len(images.label_N),), 7)
    bar = float(trainer.schedule.bar_T[7])
    draws = torch.Generator().manual_seed(1)
    noise = torch.randn(images.input_NF.shape, generator=draws)
    noisy = trainer.schedule.noised(images.input_NF, place, noise)
    with torch.no_grad():
        said = model.predictor(noisy, place, torch.full_like(place, 8))
    best_NX = denoised(noisy, bar**0.5, (1 - bar) ** 0.5, images.input_NF)
    best_noise = (noisy - bar**0.5 * best_NX) / (1 - bar) ** 0.5
    error, least = (float((x - noise).square().mean()) for x in (said, best_noise))
    assert least < error < 0.5  # no prediction at all has an error of 1


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"ddpm\.dropped"):
        DDPM(dropped=1.5)
