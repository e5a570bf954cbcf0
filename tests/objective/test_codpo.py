import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import CODPO, DPO
from steelyard.objective.codpo import pair_of


def judged(batch, passes):
    return batch.labelled(passes=torch.tensor(passes))


def test_by_hand(batch_of, grad):
    # Of those that pass the second is best, of those that violate the third is worst; s_w - s_l = 2
    batch = batch_of([[-1.0, -2.0, -3.0, -4.0]], [[0.2, 0.6, 0.7, 0.9]], ref=[[0.0, -3.0, -2.0, 0.0]])
    beta = math.log(3) / 2
    loss = CODPO(beta=beta, likelihood=0.5)(judged(batch, [[True, True, False, False]]))
    assert loss.value.item() == pytest.approx(-math.log(0.75) + 0.5 * 2.0)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.0, -beta / 4 - 0.5, beta / 4, 0.0])
    assert loss.metrics == {"objective/passing": 0.5, "objective/kl": (-1 + 1 - 1 - 4) / 4}


@pytest.mark.parametrize("seed", range(3))
def test_of_a_pair_with_one_of_each_kind_it_is_dpo(seed):
    batch = random_batch(2, seed)
    first_PG = torch.tensor([True, False]).expand(5, 2)
    ours = outcome(CODPO(likelihood=0.0), batch.labelled(passes=first_PG))
    theirs = outcome(DPO(), batch.replace(reward_PG=first_PG.double()))
    whole = slice(0, 1)  # DPO leaves out pairs that lack one
    weight = theirs.loss.weight / ours.loss.weight
    assert torch.allclose(ours.by_logp_PGT[whole], weight * theirs.by_logp_PGT[whole])


@pytest.mark.parametrize(
    ("rewards", "passes", "chosen", "rejected"),
    [
        ([0.2, 0.6, 0.9], [True, True, True], [False, True, False], [True, False, False]),  # a demonstration is last
        ([0.6, 0.6, 0.9], [True, True, True], [True, True, False], [True, True, False]),
        ([0.6, 0.2, 0.9], [False, False, True], [False, False, False], [False, True, False]),
        ([0.6, 0.0, 0.9], [True, False, True], [True, False, False], [False, True, False]),
    ],
)
def test_pairs_by_hand(batch_of, rewards, passes, chosen, rejected):
    batch = judged(batch_of([[-1.0, -2.0, -3.0]], [rewards]), [passes])
    w_PG, l_PG = pair_of(batch.labelled(demonstration=torch.tensor([[False, False, True]])))
    assert (w_PG.tolist(), l_PG.tolist()) == ([chosen], [rejected])


def test_a_prompt_without_a_passing_sample_is_skipped(batch_of, grad):
    rows = [[-1.0, -2.0], [-1.0, -2.0]]
    batch = judged(batch_of(rows, [[0.6, 0.2]] * 2, ref=rows), [[True, False], [False, False]])
    loss = CODPO()(batch)
    assert loss.weight == 1.0
    assert loss.value.item() == pytest.approx(math.log(2) + 5.0)
    assert not grad(loss.value, batch)[1].any()


def test_samples_that_tie_teach_by_likelihood_alone(batch_of, grad):
    batch = judged(batch_of([[-1.0, -3.0]], [[0.5, 0.5]], ref=[[-1.0, -3.0]]), [[True, True]])
    assert grad(CODPO(likelihood=1.0)(batch).value, batch).flatten().tolist() == pytest.approx([-0.5, -0.5])


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.8]), st.booleans()), min_size=2, max_size=6))
def test_order_does_not_matter_and_violations_are_never_pushed_up(rows):
    """Also where rewards tie."""
    reward, passes = (torch.tensor([column]) for column in zip(*rows, strict=True))
    batch = random_batch(len(rows), labels=()).prompts(slice(0, 1))
    batch = batch.replace(reward_PG=reward.double()).labelled(passes=passes)
    got = outcome(CODPO(), batch)
    assert (got.by_logp_PGT[~passes] >= 0).all()
    turned = batch.map(lambda axes, x: x.flip(1) if axes.startswith("PG") else x)
    assert torch.allclose(outcome(CODPO(), turned).by_logp_PGT.flip(1), got.by_logp_PGT)


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"likelihood": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"codpo\."):
        CODPO(**settings)
