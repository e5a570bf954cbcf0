import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.objective.preference import chosen_rejected

SCORE_PG = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], dtype=torch.float64)


def test_the_higher_reward_is_chosen_and_ties_and_invalid_pairs_are_not_counted(batch_of):
    batch = batch_of(
        SCORE_PG.tolist(),
        [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [float("nan"), 0.0]],
        valid=[[True, True], [True, True], [True, True], [False, True]],
    )
    chosen_P1, rejected_P1, mask_P1 = chosen_rejected(batch, SCORE_PG)
    assert mask_P1.flatten().tolist() == [True, True, False, False]
    assert chosen_P1[:2].flatten().tolist() == [1.0, 4.0]
    assert rejected_P1[:2].flatten().tolist() == [2.0, 3.0]


def test_groups_that_are_not_pairs_are_refused_in_one_line(batch_of):
    batch = batch_of([[-1.0, -1.0, -1.0]], [[0.0, 1.0, 2.0]])
    with pytest.raises(SteelyardError, match="groups of 3; use 2"):
        chosen_rejected(batch, batch.logp_PGT[..., 0])
