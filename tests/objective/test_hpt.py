import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import HPT, DrGRPO


def batch_by_hand(rewards: list[float]) -> Batch:
    """One prompt: own samples of one step each, then a demonstration of two steps."""
    G = len(rewards) + 1
    action_PGT = torch.tensor([[[True, False]] * (G - 1) + [[True, True]]])
    return Batch(
        logp_PGT=torch.full((1, G, 2), -1.0, dtype=torch.float64).where(action_PGT, 0.0),
        action_PGT=action_PGT,
        valid_PG=torch.ones(1, G, dtype=torch.bool),
        reward_PG=torch.tensor([[*rewards, 1.0]], dtype=torch.float64),
        log_z_P=torch.zeros(1, dtype=torch.float64),
        value_PGT=torch.zeros(1, G, 2, dtype=torch.float64),
        labels={"demonstration": torch.tensor([[False] * (G - 1) + [True]])},
    )


def test_a_prompt_that_nobody_solved_is_learned_from_its_demonstration():
    found = outcome(HPT(imitation=0.5), batch_by_hand([0.0, 0.0]))
    assert found.by_logp_PGT.tolist() == [[[0, 0], [0, 0], [-0.25, -0.25]]]
    assert float(found.loss.value.detach()) == pytest.approx(0.5)
    assert found.loss.metrics == {"objective/imitated": 1.0, "objective/solved": 0.0}


def test_a_prompt_that_somebody_solved_is_learned_by_its_samples():
    found = outcome(HPT(max_length=2), batch_by_hand([1.0, 0.0]))
    # Advantages 1/2 and -1/2, halved by the length, and by the group of two.
    assert found.by_logp_PGT.tolist() == [[[-0.125, 0], [0.125, 0], [0, 0]]]
    assert found.loss.metrics == {"objective/imitated": 0.0, "objective/solved": 0.5}


@pytest.mark.parametrize(("gamma", "imitated"), [(-1.0, 0.0), (0.0, 0.0), (0.25, 0.0), (0.5, 1.0), (1.0, 1.0)])
def test_the_gate_opens_at_gamma(gamma, imitated):
    found = HPT(gamma=gamma)(batch_by_hand([1.0, 0.0]))
    assert found.metrics["objective/imitated"] == imitated


@given(st.integers(0, 50))
def test_a_gate_that_never_opens_leaves_dr_grpo_without_a_ratio(seed: int):
    batch = random_batch(seed=seed)
    given = batch.label("demonstration")
    alone = batch.replace(valid_PG=batch.valid_PG & ~given)
    kept = alone.valid_PG.any(-1)  # a prompt that has its demonstration alone counts for HPT and not for Dr. GRPO
    own, other = HPT(gamma=-1e9), DrGRPO(importance_ratio=False)
    a, b = outcome(own, batch.prompts(kept)), outcome(other, alone.prompts(kept))
    torch.testing.assert_close(a.by_logp_PGT, b.by_logp_PGT)
    torch.testing.assert_close(a.loss.value, b.loss.value)


def test_without_demonstrations_unsolved_prompts_go_by_their_samples():
    batch = batch_by_hand([0.0, 0.0])
    none = batch.labelled(demonstration=torch.zeros(1, 3, dtype=torch.bool))
    assert HPT()(none).metrics["objective/imitated"] == 0


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"hpt\.imitation"):
        HPT(imitation=-1.0)
    with pytest.raises(SteelyardError, match=r"hpt\.max_length"):
        HPT(max_length=0)
