import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.diffusion import Diffusion, NoiseSchedule
from steelyard.diffusion.one_step import OneStep, clean, place_of, reader_of

SCHEDULE = NoiseSchedule(steps=16)


def test_the_exact_noise_gives_the_clean_row_back():
    row = torch.tensor([[1.0, -2.0]])
    noise = torch.tensor([[0.3, 0.7]])
    place = torch.tensor([9])
    noisy = SCHEDULE.noised(row, place, noise)
    assert torch.allclose(clean(lambda x, t, c: noise, SCHEDULE, noisy, place, place), row, atol=1e-5)


def test_a_generator_by_hand():
    # Whose network predicts noise 0 gives the noise it starts from, on the scale of rows: z sqrt((1 - abar) / abar).
    model = OneStep(lambda x, t, c: 0 * x, SCHEDULE, 3, place=9)
    rows = model.rows(torch.zeros(4000).long(), seed=0)
    bar = float(SCHEDULE.bar_T[9])
    assert float(rows.std()) == pytest.approx(((1 - bar) / bar) ** 0.5, rel=0.05)
    assert torch.equal(rows, model.rows(torch.zeros(4000).long(), seed=0))
    assert model.places == (9,)


def test_the_place_of_a_ratio():
    ratio = [((1 - b) / b) ** 0.5 for b in SCHEDULE.bar_T.tolist()]
    assert [place_of(SCHEDULE, r) for r in ratio] == [*range(16)]
    assert (place_of(SCHEDULE, 1e-9), place_of(SCHEDULE, 1e9)) == (0, 15)


def test_a_model_that_reads_nothing_has_no_reader():
    with pytest.raises(SteelyardError, match="knows classes by number"):
        reader_of(Diffusion(lambda x, t, c: 0 * x, SCHEDULE, 3))
