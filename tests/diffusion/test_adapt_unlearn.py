import copy
import dataclasses
import math

import pytest
import torch

from steelyard.check import check_method
from steelyard.core import SteelyardError
from steelyard.diffusion import AdaptUnlearn
from steelyard.diffusion.adapt_unlearn import distance, extrapolated, fisher, numbers
from steelyard.diffusion.gan import GanSettings

QUICK = AdaptUnlearn(GanSettings(batch=16, learning_rate=1e-3), adapted=1, adapt_steps=10, unlearn_steps=10)


@pytest.fixture(scope="module")
def knowing():
    """Rows at 1 and at -1, alike."""
    rows = (2.0 * (torch.arange(64)[:, None] % 2) - 1).expand(-1, 3).contiguous()
    return GanSettings(width=16, latent=4, train_steps=60).fit(rows, seed=0)


def parts():
    return torch.ones(20, 3), -torch.ones(20, 3)


def test_the_forms_of_repulsion_by_hand():
    apart = torch.tensor(2.0)
    said = {
        form: dataclasses.replace(QUICK, repel=form, gamma=0.5).repulsion(apart).item()
        for form in ("el2", "nl2", "il2")
    }
    assert said == pytest.approx({"el2": 100 * math.exp(-1), "nl2": -1.0, "il2": 0.25})


def test_the_distance_by_hand(knowing):
    near = numbers(knowing)
    moved = {name: number + (2.0 if name == "0.bias" else 0.0) for name, number in near.items()}
    assert distance(knowing.generator, [near]).item() == 0.0
    # One of six tensors is 2 away everywhere, in one of two models: 4 / 6 / 2.
    assert distance(knowing.generator, [near, moved]).item() == pytest.approx(4 / 12)


def test_without_repulsion_it_is_fine_tuning_on_the_desired(knowing):
    how = dataclasses.replace(QUICK, repel_weight=0.0)
    gan, players = how.begin(knowing, *parts(), seed=3)
    players.run()
    plain = copy.deepcopy(knowing)
    how.gan.begin(plain, parts()[1], seed=3, steps=10).run()
    assert torch.allclose(gan.rows(5, seed=1), plain.rows(5, seed=1), atol=1e-5)


def test_it_moves_away_from_the_adapted_and_what_is_given_stays(knowing):
    before = numbers(knowing)
    how = dataclasses.replace(QUICK, gamma=10.0)
    away = numbers(how.adapt(knowing, parts()[0], 5))
    weak, strong = (dataclasses.replace(how, repel_weight=w).begin(knowing, *parts(), seed=3) for w in (0.0, 100.0))
    for _, players in (weak, strong):
        players.run()
    assert distance(strong[0].generator, [away]) > distance(weak[0].generator, [away])
    assert all(torch.equal(before[name], number) for name, number in numbers(knowing).items())


def test_ewc_keeps_an_adapted_model_near(knowing):
    near = [numbers(knowing)]
    loose, tight = (dataclasses.replace(QUICK, ewc=w, adapt_steps=30).adapt(knowing, parts()[0], 5) for w in (0.0, 1e6))
    assert distance(tight.generator, near) < distance(loose.generator, near)
    assert all((number >= 0).all() for number in fisher(knowing, 4, 0).values())


def test_extrapolation_by_hand(knowing):
    adapted = QUICK.adapt(knowing, parts()[0], 5)
    found = numbers(extrapolated(knowing, adapted, 0.5))
    own, other = numbers(knowing), numbers(adapted)
    assert all(torch.allclose(found[n], own[n] - 0.5 * (other[n] - own[n]), atol=1e-6) for n in own)


def test_equal_seeds_give_equal_gans(knowing):
    made = []
    for seed in (1, 1, 2):
        gan, players = QUICK.begin(knowing, *parts(), seed=seed, steps=3)
        players.run()
        made.append(gan.rows(4, seed=1))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_it_keeps_the_contract():
    assert {v.check: v.reason for v in check_method(AdaptUnlearn) if not v.passed} == {}


def test_wrong_input_is_refused(knowing):
    with pytest.raises(SteelyardError, match="no row is undesired"):
        QUICK.begin(knowing, torch.ones(0, 3), parts()[1], seed=0)
    with pytest.raises(SteelyardError, match="no row is desired"):
        QUICK.begin(knowing, parts()[0], torch.ones(0, 3), seed=0)
    with pytest.raises(SteelyardError, match=r"adapt-unlearn\.gamma"):
        AdaptUnlearn(gamma=0.0)
