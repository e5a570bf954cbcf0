import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Batch, SteelyardError
from steelyard.objective import CRRAFT, IBPO

Z = IBPO(short_length=2)


def batch_of(rewards, lengths, valid=None):
    """A batch from nested lists [P][G]: rewards, and tokens of each answer; every step has -1 nat."""
    length_PG = torch.tensor(lengths)
    action_PGT = torch.arange(int(length_PG.max())) < length_PG[..., None]
    logp_PGT = -1.0 * action_PGT.double()
    return Batch(
        logp_PGT=logp_PGT.requires_grad_(),
        action_PGT=action_PGT,
        valid_PG=torch.ones_like(length_PG, dtype=torch.bool) if valid is None else torch.tensor(valid),
        reward_PG=torch.tensor(rewards, dtype=torch.float64),
        logp_ref_PGT=logp_PGT.detach(),
    )


def marked(objective, batch):
    return batch.labelled(**objective.mark(batch))


def weights(objective, batch):
    return objective.mark(batch)["assigned"].tolist()


def test_by_hand(grad):
    # Gains of the long answers: 1/2, 1 and 0. One place: the second prompt's. The others learn their best short ones.
    batch = batch_of(
        [[0.5, 0.0, 1.0, 0.5], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]],
        [[1, 2, 3, 3], [1, 2, 3, 4], [1, 2, 3, 3]],
    )
    expected = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.0, 0.0]]
    objective = IBPO(budget=1 / 3, short_length=2)
    assert weights(objective, batch) == expected
    loss = objective(marked(objective, batch))
    assert loss.value.item() == pytest.approx((1.0 + (0.5 * 3 + 0.5 * 4) + (0.5 * 1 + 0.5 * 2)) / 3)
    assert grad(loss.value, batch)[..., 0].tolist() == [[pytest.approx(-w / 3) for w in row] for row in expected]
    assert loss.metrics == pytest.approx(
        {
            "objective/long": 0.5,
            "objective/imitated": 1.0,
            "objective/imitated_long": 1 / 3,
            "objective/imitated_reward": (0.5 + 1.0 + 1.0) / 3,
        }
    )


def test_equal_gains_share_the_budget():
    batch = batch_of([[0.0, 1.0]] * 2 + [[1.0, 1.0]] * 2, [[1, 3]] * 4)
    assert weights(IBPO(budget=0.25, short_length=2), batch)[:2] == [[0.0, 0.5], [0.0, 0.5]]
    assert weights(Z, batch) == [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]


def test_the_budget_is_not_spent_where_nothing_is_gained():
    batch = batch_of([[1.0, 1.0], [1.0, 0.5]], [[1, 3], [1, 3]])
    assert weights(IBPO(budget=1.0, short_length=2), batch) == [[1.0, 0.0], [1.0, 0.0]]


def test_an_unknown_gain_takes_what_others_leave():
    long_only = [[1.0, 0.0], [1.0, 0.0]], [[3, 3], [3, 3]]
    gains = [[0.0, 1.0], [0.0, 0.0]], [[1, 3], [1, 3]]
    batch = batch_of(long_only[0] + gains[0], long_only[1] + gains[1])
    assert weights(Z, batch) == [[0.5, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.0]]
    assert weights(IBPO(budget=0.25, short_length=2), batch)[0] == [0.0, 0.0]


def test_where_no_answer_is_long_it_is_fine_tuning_on_the_best(grad):
    batch = batch_of([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], [[1, 2, 3], [3, 2, 1]])
    objective = IBPO(budget=0.0, short_length=9)
    ours = objective(marked(objective, batch))
    raft = CRRAFT()(batch)
    assert ours.value.item() == pytest.approx(raft.value.item())
    assert torch.equal(grad(ours.value, batch), grad(raft.value, batch))


def test_only_accepted_answers_are_imitated():
    batch = batch_of([[0.4, 0.2], [0.6, 0.2]], [[1, 1], [1, 1]])
    assert weights(IBPO(accepted=0.5), batch) == [[0.0, 0.0], [1.0, 0.0]]


def test_an_invalid_answer_counts_for_nothing():
    nan = float("nan")
    batch = batch_of([[0.5, nan, 1.0], [nan, nan, nan]], [[1, 1, 3], [3, 3, 3]], [[True, False, True], [False] * 3])
    assert weights(IBPO(budget=1.0, short_length=2), batch) == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert weights(Z, batch) == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]], "the budget is of prompts with a valid answer"


def test_what_was_not_marked_is_refused():
    with pytest.raises(ValueError, match="assigned"):
        Z(batch_of([[1.0, 0.0]], [[1, 3]]))


GROUPS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([1, 3])), min_size=3, max_size=3)


@given(st.lists(GROUPS, min_size=1, max_size=6), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_the_budget_is_kept(groups, budget):
    rewards = [[r for r, _ in group] for group in groups]
    lengths = [[n for _, n in group] for group in groups]
    weight_PG = IBPO(budget=budget, short_length=2).mark(batch_of(rewards, lengths))["assigned"]
    long = (weight_PG * (torch.tensor(lengths) > 2)).sum(-1)
    assert long.mean().item() <= budget + 1e-9
    assert weight_PG.sum(-1).max().item() <= 1 + 1e-9


@pytest.mark.parametrize("settings", [{"budget": 1.5}, {"short_length": 0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"ibpo\."):
        IBPO(**settings)
