import dataclasses

import numpy as np
import pytest
import torch

from steelyard.check import check_method
from steelyard.core import SteelyardError
from steelyard.diffusion import DDPM, MLPDenoiser, NoiseSchedule
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.images import Images
from steelyard.diffusion.prompt_attacks import begun, naming
from steelyard.diffusion.saved import Facts, SavedDiffusion
from steelyard.diffusion.unlearndiffatk import Target, UnlearnDiffAtk, random_words

PROMPTS = ("low", "high", "low now", "high now")
QUICK = UnlearnDiffAtk(words=2, iterations=8, visits=4, attack_rate=0.1)


@pytest.fixture(scope="module")
def model():
    """Rows at 1 are called high, and rows at -1 low."""
    label_N = torch.arange(96) % 4
    data_NX = (2.0 * (label_N[:, None] % 2) - 1).expand(-1, 4).contiguous()
    trainer = DDPM(NoiseSchedule(steps=8), width=32, layers=1, train_steps=250)
    return trainer.reading(PROMPTS).fit(data_NX, label_N, seed=0)


def high(rows):
    return rows.mean(1) > 0


def target(number=6, prompt="low"):
    return Target(torch.ones(number, 4), (prompt,) * number)


def test_it_finds_the_word_that_makes_what_the_prompt_does_not(model):
    found = QUICK.attack(model, target(), high, seed=1)
    assert found.before_A.float().mean() <= 0.5
    assert found.after_A.float().mean() > found.before_A.float().mean()
    assert any("high" in prompt.split() for prompt in found.prompts)
    assert all(prompt.split()[-1] == "low" for prompt in found.prompts), "the prompt stays behind the words"


def test_an_attack_that_the_bare_prompt_wins_is_over_before_it_begins(model):
    found = QUICK.attack(model, target(prompt="high"), lambda rows: torch.ones(len(rows), dtype=torch.bool), seed=1)
    assert found.tried_A.tolist() == [0] * 6
    assert found.prompts == ("high",) * 6


def test_one_that_never_wins_has_tried_all(model):
    none = random_words(
        model, target(2), lambda rows: torch.zeros(len(rows), dtype=torch.bool), words=3, tries=5, seed=1
    )
    assert none.tried_A.tolist() == [5, 5]
    assert all(len(prompt.split()) == 4 for prompt in none.prompts)


def test_attacks_do_not_know_of_each_other(model):
    """The words of one do not depend on what is shown by another, as its share of the loss is its own."""
    one, two = (QUICK.attack(model, target(3), lambda rows, i=i: torch.arange(len(rows)) == i, seed=1) for i in (0, 1))
    assert one.prompts[2] == two.prompts[2]


def test_the_aim_of_p4d_with_the_model_itself_is_met_by_no_change(model):
    found = QUICK.attack(model, target(2), high, seed=1, original=model)
    assert found.after_A.shape == (2,)


def test_visits_are_evenly_spaced(model):
    assert dataclasses.replace(QUICK, visits=4).places(model) == (1, 3, 5, 7)
    assert dataclasses.replace(QUICK, visits=16).places(model)[:5] == (0, 0, 1, 1, 2)


def images(order=None):
    label_N = torch.arange(16) % 4
    data_NX = (2.0 * (label_N[:, None] % 2) - 1 + 0.01 * torch.arange(16)[:, None]).expand(-1, 4).contiguous()
    order = torch.arange(16) if order is None else order
    return Images(data_NX[order], label_N[order], (2, 2), 0.0, 1.0, PROMPTS)


def saved(model):
    facts = Facts(DDPM(NoiseSchedule(steps=8), width=32, layers=1).reading(PROMPTS), (2, 2), 4, 0.0, 1.0)
    return SavedDiffusion(facts, model)


def test_the_audit_does_not_depend_on_the_order_of_images_and_repeats(model):
    audit = dataclasses.replace(QUICK, concept="high", attacks=4)
    state = torch.get_rng_state()
    table = audit.audit_diffusion(saved(model), images())
    assert table == audit.audit_diffusion(saved(model), images(torch.arange(15, -1, -1)))
    assert torch.equal(state, torch.get_rng_state())
    assert [name for name, _ in table.rows] == ["no attack", "random words", "searched words"]
    assert table.number("searched words", "attacks") == 4
    assert table.number("no attack", "tried") == 0


def test_who_shows_what_was_forgotten_is_told_by_the_nearest_image(model):
    start = begun(saved(model), images(), "high", 3)
    assert naming(PROMPTS, "high") == [1, 3]
    assert start.shows(torch.tensor([[1.0] * 4, [-1.0] * 4, [0.9] * 4])).tolist() == [True, False, True]
    own = begun(saved(model), images(), "", 16)
    assert own.shows(own.images.data_NX[own.chosen_A]).all(), "without a concept, each image shows its own class"


def test_it_keeps_the_contract():
    assert {v.check: v.reason for v in check_method(UnlearnDiffAtk) if not v.passed} == {}


def test_wrong_input_is_refused(model):
    with pytest.raises(SteelyardError, match="no word of 'middle' is known"):
        QUICK.attack(model, target(prompt="middle"), high, seed=0)
    with pytest.raises(SteelyardError, match="there are no prompts"):
        QUICK.attack(model, Target(torch.ones(0, 4), ()), high, seed=0)
    by_number = Diffusion(MLPDenoiser(4, 2, 8, width=16, layers=1), NoiseSchedule(steps=8), 4)
    with pytest.raises(SteelyardError, match="knows classes by number"):
        QUICK.attack(by_number, target(), high, seed=0)
    with pytest.raises(SteelyardError, match="no prompt has the word 'blue'"):
        begun(saved(model), images(), "blue", 3)
    with pytest.raises(SteelyardError, match="has no `prompts`"):
        begun(saved(model), dataclasses.replace(images(), prompts=()), "", 3)
    with pytest.raises(SteelyardError, match="have the shape"):
        begun(saved(model), dataclasses.replace(images(), shape=(4,)), "", 3)
    with pytest.raises(SteelyardError, match=r"unlearndiffatk\.words"):
        UnlearnDiffAtk(words=0)
    assert np.isfinite(QUICK.weight_decay)
