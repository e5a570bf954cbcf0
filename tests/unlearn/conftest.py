import pytest
import torch

from steelyard.core import Batch


@pytest.fixture
def unlearning():
    """A batch of one-step completions from nested lists [P][G]; `keep` says which prompts are retained."""

    def make(logp, keep, *, ref=None, reward=None, valid=None) -> Batch:
        logp_PGT = torch.tensor(logp, dtype=torch.float64)[..., None].requires_grad_()
        shape = logp_PGT.shape[:2]
        return Batch(
            logp_PGT=logp_PGT,
            action_PGT=torch.ones_like(logp_PGT, dtype=torch.bool),
            valid_PG=torch.ones(shape, dtype=torch.bool) if valid is None else torch.tensor(valid),
            reward_PG=torch.zeros(shape, dtype=torch.float64) if reward is None else torch.tensor(reward).double(),
            logp_ref_PGT=None if ref is None else torch.tensor(ref, dtype=torch.float64)[..., None],
            labels={"retain": torch.tensor(keep)},
        )

    return make


@pytest.fixture
def grad():
    """The gradient of an objective's value by the batch's log-probabilities, [P][G]."""

    def of(objective, batch: Batch) -> torch.Tensor:
        return torch.autograd.grad(objective(batch).value, batch.logp_PGT)[0][..., 0]

    return of
