from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import CANON, DrGRPO
from steelyard.objective.canon import upper_share


def group(rewards, lengths, *, entropy=None, valid=None):
    """One fresh group; its samples have these lengths, and at every step this entropy."""
    action_PGT = torch.arange(max(lengths)) < torch.tensor([lengths])[..., None]
    logp_PGT = torch.full(action_PGT.shape, -1.0, dtype=torch.float64, requires_grad=True)
    entropy_PG1 = torch.tensor([entropy or [0.0] * len(lengths)], dtype=torch.float64)[..., None]
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=action_PGT,
        valid_PG=torch.tensor([valid or [True] * len(lengths)]),
        reward_PG=torch.tensor([rewards], dtype=torch.float64),
        logp_behaviour_PGT=logp_PGT.detach(),
        entropy_PGT=entropy_PG1.expand(action_PGT.shape),
    )


def advantages(objective, batch):
    """What the gradient at each sample's first step says of its advantage."""
    (got,) = torch.autograd.grad(objective(batch).value, batch.logp_PGT)
    return (-got[0, :, 0] * batch.valid_PG.sum()).tolist()


def test_length_by_hand():
    # short: 1, 0 with mean 1/2; long: 1, 1 with mean 1. mu = 0.8, alpha = 0.9
    batch = group([1.0, 0.0, 1.0, 1.0], [1, 2, 3, 4])
    short = [0.8 * (1 - 0.9 * 1) + 0.2 * (1 - 0.5), 0.8 * (0 - 0.9 * 1) + 0.2 * (0 - 0.5)]
    long = 0.8 * (0.9 * 1 - 0.5) + 0.2 * (1 - 1)
    objective = CANON(trait="length", mu=0.8, alpha=0.9)
    assert advantages(objective, batch) == pytest.approx([*short, long, long])
    assert advantages(CANON(trait="length", mu=0.8, alpha=0.9, max_length=10), batch) == pytest.approx(
        [short[0] / 10, short[1] / 10, long / 10, long / 10]
    )
    metrics = objective(batch).metrics
    assert (metrics["objective/favoured_reward"], metrics["objective/other_reward"]) == (0.5, 1.0)


def test_entropy_by_hand():
    # high entropy: 1, 1; low: 0, 1 with mean 1/2; of five samples the high half has three
    batch = group([0.0, 1.0, 1.0, 1.0, 0.0], [2] * 5, entropy=[0.1, 0.2, 0.7, 0.8, 0.9])
    high, low = 2 / 3, 1 / 2
    expected = [-high, 0.5 - high, 1 - 0.5 * low, 1 - 0.5 * low, -0.5 * low]
    assert advantages(CANON(alpha=0.5), batch) == pytest.approx(expected)
    inside = [-low, 1 - low, 1 - high, 1 - high, -high]
    assert advantages(CANON(mu=0.0), batch) == pytest.approx(inside)


@pytest.mark.parametrize("trait", ["entropy", "length"])
@pytest.mark.parametrize("seed", range(3))
def test_equal_halves_mixed_equally_are_dr_grpo(trait, seed):
    batch = random_batch(seed=seed).prompts(torch.tensor([0, 3, 4]))
    canon, dr_grpo = outcome(CANON(trait=trait, mu=0.5), batch), outcome(DrGRPO(), batch)
    assert torch.allclose(canon.by_logp_PGT, dr_grpo.by_logp_PGT, atol=1e-12)
    assert canon.loss.value.item() == pytest.approx(dr_grpo.loss.value.item())


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0])
def test_where_all_traits_are_equal_it_is_dr_grpo(mu):
    batch = group([1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [3] * 6)
    mean = 4 / 6
    assert advantages(CANON(trait="length", mu=mu), batch) == pytest.approx(
        [r - mean for r in batch.reward_PG[0].tolist()]
    )


def test_equals_at_the_middle_belong_to_both_halves():
    trait = torch.tensor([[1.0, 2.0, 2.0, 2.0, 3.0, 9.0]])
    valid = torch.tensor([[True] * 5 + [False]])
    for larger, share in ((True, 2 / 3), (False, 1 / 3)):
        got = upper_share(trait, valid, larger=larger)[0].tolist()
        assert got == pytest.approx([0.0, share, share, share, 1.0, 0.0])


@given(
    rewards=st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=8),
    seed=st.integers(0, 1000),
    alpha=st.floats(0.0, 1.0),
)
def test_wrong_answers_alone_teach_nothing_and_right_ones_alone_the_favoured_side(rewards, seed, alpha):
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 5, (len(rewards),), generator=draw).tolist()
    objective = CANON(trait="length", alpha=alpha)
    assert not any(advantages(objective, group([0.0] * len(rewards), lengths)))
    got = advantages(objective, group([1.0] * len(rewards), lengths))
    by_length = sorted(zip(lengths, got, strict=True), key=lambda x: x[0])
    assert all(a[1] >= b[1] - 1e-12 for a, b in pairwise(by_length))
    assert all(abs(a) <= 1 - alpha + 1e-12 for a in got)


def test_a_single_valid_sample_teaches_nothing():
    assert advantages(CANON(), group([1.0, 0.0], [2, 2], valid=[True, False])) == [0.0, 0.0]


def test_entropy_is_asked_for_only_where_it_splits():
    assert CANON().needs.entropy and not CANON(trait="length").needs.entropy
    blind = random_batch().replace(entropy_PGT=None)
    CANON(trait="length")(blind)
    with pytest.raises(ValueError, match="entropy_PGT"):
        CANON()(blind)


@pytest.mark.parametrize("settings", [{"mu": 1.5}, {"alpha": -0.1}, {"clip": 0.0}, {"max_length": 0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="canon"):
        CANON(**settings)
