import pytest
import torch

from steelyard.core import Batch


def _steps(rows):
    return torch.tensor(rows, dtype=torch.float64)[..., None]


@pytest.fixture
def batch_of():
    """A batch of one-step samples from nested lists [P][G]; whatever is not named is absent or all valid."""

    def make(logp, reward=None, *, ref=None, behaviour=None, valid=None, log_z=None) -> Batch:
        logp_PGT = _steps(logp).requires_grad_()
        valid_PG = torch.ones(logp_PGT.shape[:2], dtype=torch.bool) if valid is None else torch.tensor(valid)
        return Batch(
            logp_PGT=logp_PGT,
            action_PGT=torch.ones_like(logp_PGT, dtype=torch.bool),
            valid_PG=valid_PG,
            reward_PG=None if reward is None else torch.tensor(reward, dtype=torch.float64),
            logp_ref_PGT=None if ref is None else _steps(ref),
            logp_behaviour_PGT=None if behaviour is None else _steps(behaviour),
            log_z_P=None if log_z is None else torch.tensor(log_z, dtype=torch.float64),
        )

    return make


@pytest.fixture
def grad():
    """The gradient of a scalar by the batch's log-probabilities."""

    def of(value, batch: Batch) -> torch.Tensor:
        return torch.autograd.grad(value, batch.logp_PGT)[0]

    return of
