import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.diffusion.gan import Gan, GanSettings, fooled


def test_the_losses_by_hand():
    # D(x) = 2 x: softplus(-2 * 1) + softplus(0), and a slope of 2, whose square weighs r1 / 2.
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.by = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            return self.by * x

    class Nothing(Twice):
        def forward(self, x):
            return 0 * self.by * x

    gan = Gan(Nothing(), Twice(), 1)
    players = GanSettings(batch=4, r1=3.0).begin(gan, torch.ones(8, 1), seed=0, steps=1)
    judged = players.players["critic"].loss()
    assert judged.item() == pytest.approx(math.log1p(math.exp(-2)) + math.log(2) + 1.5 * 4, rel=1e-5)
    assert fooled(gan, 4, torch.Generator()).item() == pytest.approx(math.log(2))


def test_it_learns_where_rows_are():
    rows = torch.tensor([[2.0, -1.0]]) + 0.3 * torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    gan = GanSettings(width=32, latent=4, train_steps=250).fit(rows, seed=0)
    assert torch.allclose(gan.rows(400, seed=1).mean(0), rows.mean(0), atol=0.4)


def test_equal_seeds_give_equal_rows_and_torch_is_left_alone():
    state = torch.get_rng_state()
    rows = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    one, two, other = (GanSettings(width=8, train_steps=3).fit(rows, seed=s).rows(4, seed=1) for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"gan\.r1"):
        GanSettings(r1=-1.0)
