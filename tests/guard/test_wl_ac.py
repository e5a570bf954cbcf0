"""WL-AC: its probabilities by hand, a loss without bias whatever the weak labels say, and a budget that is kept."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steelyard.core import SteelyardError, rng
from steelyard.guard import WLAC
from steelyard.guard.label_ledger import Answers, Ledger
from steelyard.guard.wl_ac import drawn_by


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_chances_by_hand():
    """err = .5, .5, .1 where the weak labels are 1, 0, 1 and q = .5, .5, .9; roots .707, .707, .316 add up to 1.730."""
    found = WLAC(least=0.01).chances(doubles(0.5, 0.5, 0.9), doubles(1, 0, 1), 1)
    roots = [math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.1)]
    assert found.tolist() == pytest.approx([root / sum(roots) for root in roots])
    assert WLAC(least=0.9).chances(doubles(0.5, 0.5, 1.0), doubles(1, 0, 1), 1)[2].item() == pytest.approx(0.3)


def test_without_a_weak_labeller_it_asks_where_the_guard_is_unsure():
    """err = q (1 - q), which is largest at one half."""
    q_M = doubles(0.5, 0.9, 0.99)
    roots_M = (q_M * (1 - q_M)).sqrt()
    assert WLAC(least=0.01).chances(q_M, q_M, 1).tolist() == pytest.approx((roots_M / roots_M.sum()).tolist())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.booleans())
def test_the_loss_is_unbiased_whatever_the_weak_labels_say(seed, trusted):
    """The mean over all sixteen outcomes of four draws is the loss with strong labels everywhere."""
    draws = rng(seed, "unbiased")
    weak_N, chance_N, z_N = (torch.from_numpy(draws.random(4)) for _ in range(3))
    chance_N = 0.05 + 0.95 * chance_N
    strong_N = torch.from_numpy(draws.integers(2, size=4)).double()
    rule = WLAC(bound=2.0)
    mean = 0.0
    for asked in itertools.product([True, False], repeat=4):
        asked_N = torch.tensor(asked)
        ledger = Ledger(weak_N)
        ledger.enter(range(4), Answers(chance_N, torch.where(asked_N, strong_N, torch.nan), trusted))
        loss = (ledger.weight_N * rule.loss(6 * z_N - 3, ledger.target_N)).mean()
        mean += float(torch.where(asked_N, chance_N, 1 - chance_N).prod() * loss)
    assert mean == pytest.approx(float(rule.loss(6 * z_N - 3, strong_N).mean()))


def test_asked_about_every_text_it_is_plain_learning_from_strong_labels():
    strong_N, weak_N = doubles(1, 0, 1), doubles(0, 0, 0.3)
    for trusted in (True, False):
        ledger = Ledger(weak_N)
        ledger.enter(range(3), Answers(torch.ones(3), strong_N, trusted))
        assert ledger.weight_N.tolist() == [1, 1, 1]
        assert ledger.target_N.tolist() == pytest.approx(strong_N.tolist())


def test_where_the_weak_labels_are_right_the_draws_do_not_matter():
    weak_N = doubles(1, 0, 1)
    for asked in itertools.product([True, False], repeat=3):
        ledger = Ledger(weak_N)
        said_N = torch.where(torch.tensor(asked), weak_N, torch.nan)
        ledger.enter(range(3), Answers(doubles(0.1, 0.2, 0.3), said_N, True))
        assert ledger.target_N.tolist() == [1, 0, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_as_many_are_drawn_as_the_probabilities_add_up_to(seed, number):
    draws = rng(seed, "drawn")
    q_M = torch.from_numpy(draws.random(30))
    chance_M = WLAC().chances(q_M, q_M.round(), number)
    assert chance_M.max() <= 1 and chance_M.min() > 0
    assert chance_M.sum().item() == pytest.approx(number, rel=1e-6)
    assert int(drawn_by(chance_M, draws).sum()) in (number, number - 1)


def test_each_is_drawn_with_its_probability():
    chance_M = doubles(0.9, 0.5, 0.1, 0.5)
    draws = rng(0, "often")
    often = np.mean([drawn_by(chance_M, draws).numpy() for _ in range(3000)], 0)
    assert often.tolist() == pytest.approx(chance_M.tolist(), abs=0.04)


def answers(wrong, *, budget=50, **changes):
    """What a labeller that is wrong on the first so many of 100 texts leads to, with a guard that knows nothing."""
    truth_M = torch.arange(100) % 2
    weak_M = torch.where(torch.arange(100) < wrong, 1 - truth_M, truth_M).double()
    q_M = torch.full((100,), 0.5, dtype=torch.float64)
    rule = WLAC(**changes)
    return rule.answers(weak_M, q_M, range(100), budget, lambda places: truth_M[list(places)].float(), rng(0, "x"))


def test_a_good_labeller_is_trusted_and_asked_less_and_a_malicious_one_is_not():
    good, malicious = answers(0), answers(100)
    assert good.trusted and not malicious.trusted
    assert int((~malicious.strong_M.isnan()).sum()) == 50
    assert int((~good.strong_M.isnan()).sum()) == 10 + round(40 * 0.5 / 12 / 0.25)
    assert answers(100, weak_labels="always").trusted and not answers(0, weak_labels="never").trusted


class Clerk:
    """A strong labeller that notes who was asked about."""

    def __init__(self, truth_N):
        self.truth_N = truth_N
        self.asked = []

    def __call__(self, places):
        self.asked.extend(places)
        return self.truth_N[list(places)]


SHARES = st.floats(0.05, 0.95)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 4), st.integers(0, 100), SHARES, st.sampled_from(["never", "judged"]))
def test_the_budget_is_kept(number, blocks, more, evaluate, weak_labels):
    rule = WLAC(budget=2 * (2**blocks - 1) + more, blocks=blocks, evaluate=evaluate, weak_labels=weak_labels)
    cuts = rule.cut(range(number))
    assert [place for place_M, _ in cuts for place in place_M] == [*range(number)]
    draws = rng(number, "budget")
    clerk = Clerk(torch.from_numpy(draws.integers(2, size=number)).float())
    for place_M, most in cuts:
        weak_M, q_M = (torch.from_numpy(draws.random(len(place_M))) for _ in range(2))
        said = rule.answers(weak_M, q_M, place_M, most, clerk, draws)
        assert said.chance_M.min() > 0, "a text that is never asked about would bias"
    assert len(clerk.asked) == len({*clerk.asked}) <= rule.budget


def test_a_budget_that_some_block_could_not_use_is_refused():
    with pytest.raises(SteelyardError, match="--budget: is 13, for 3 blocks; use at least 14, or fewer --blocks"):
        WLAC(budget=13)


def test_the_loss_does_not_change_beyond_the_bound():
    z_N = doubles(9, -9).requires_grad_()
    WLAC(bound=4.0).loss(z_N, doubles(12, -7)).sum().backward()
    assert z_N.grad is not None and z_N.grad.tolist() == [0, 0]


def fit(weak_N, truth_N, bits_N3):
    """A linear guard of three bits, before its first step."""
    net = nn.Linear(3, 1)
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    clerk = Clerk(truth_N)
    fitting, ledger = WLAC(budget=60, steps=200).begin(
        net, lambda places: net(bits_N3[list(places)])[:, 0], weak_N, clerk, learning_rate=0.05, seed=0
    )
    return fitting, ledger, net, clerk


def test_what_weak_labels_always_have_wrong_is_learned_from_few_strong_ones(tmp_path):
    """The truth is the first bit; the weak labeller goes by the second one where the third is set."""
    bits_N3 = torch.from_numpy(rng(0, "bits").integers(2, size=(400, 3))).float()
    truth_N = bits_N3[:, 0]
    weak_N = torch.where(bits_N3[:, 2] > 0, bits_N3[:, 1], truth_N)
    fitting, ledger, net, clerk = fit(weak_N, truth_N, bits_N3)
    fitting.run()
    assert ((net(bits_N3)[:, 0] > 0) == (truth_N > 0.5)).float().mean() > 0.95
    assert len(clerk.asked) == int(ledger.asked_N.sum()) <= 60
    fitting.save(tmp_path)
    again, known, other, nobody = fit(weak_N, truth_N, bits_N3)
    again.restore(tmp_path)
    assert torch.equal(known.target_N, ledger.target_N) and torch.equal(other.weight, net.weight)
    assert nobody.asked == [], "what was paid for is not asked for again"
