import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import random_batch
from steelyard.objective import reduce

NAN = float("nan")
MASK_PK = torch.tensor([[True, True, False], [False, False, False], [False, True, False]])
X_PK = torch.tensor([[1.0, 3.0, NAN], [NAN, NAN, NAN], [NAN, 5.0, NAN]])


def test_prompt_mean_by_hand():
    assert reduce.prompt_mean(X_PK, MASK_PK).tolist() == [[2.0], [0.0], [5.0]]


def test_batch_mean_counts_prompts_not_samples():
    assert reduce.batch_mean(X_PK, MASK_PK).item() == 3.5
    assert reduce.num_prompts(MASK_PK) == 2.0


def test_means_keep_double_precision():
    third = reduce.prompt_mean(torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64), torch.ones(1, 3, dtype=torch.bool))
    assert third.item() == 1 / 3


def test_nothing_counted_is_zero_with_a_gradient():
    x_PK = torch.ones(2, 2, requires_grad=True)
    value = reduce.batch_mean(x_PK, torch.zeros(2, 2, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert x_PK.grad is not None
    assert not x_PK.grad.any()


def test_sums_skip_nan_outside_the_mask_in_value_and_gradient():
    batch = random_batch()
    outside_PGT = ~reduce.steps_of(batch)
    logp_PGT = batch.logp_PGT.where(~outside_PGT, NAN).requires_grad_()
    ref_PGT = batch.field("logp_ref_PGT").where(~outside_PGT, NAN)
    got_PG = reduce.log_ratio(batch.replace(logp_PGT=logp_PGT, logp_ref_PGT=ref_PGT))
    assert torch.allclose(got_PG, reduce.log_ratio(batch))
    got_PG.sum().backward()
    assert torch.equal(logp_PGT.grad, (~outside_PGT).double())


def test_mean_steps_divides_by_the_number_of_actions():
    batch = random_batch()
    num_PG = reduce.steps_of(batch).sum(-1)
    mean_PG = reduce.mean_steps(torch.ones_like(batch.logp_PGT), batch)
    assert mean_PG.tolist() == (num_PG > 0).double().tolist()
    assert torch.allclose(reduce.mean_steps(batch.logp_PGT, batch) * num_PG, reduce.sum_steps(batch.logp_PGT, batch))


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=6), st.integers(1, 5))
def test_batch_means_recombine_by_number_of_prompts(rows, cut):
    mask_PK = torch.tensor(rows)
    x_PK = torch.arange(mask_PK.numel(), dtype=torch.float64).reshape(mask_PK.shape).square()
    parts = [(x_PK[s], mask_PK[s]) for s in (slice(0, cut), slice(cut, None))]
    total = sum(reduce.num_prompts(m) * reduce.batch_mean(x, m).item() for x, m in parts)
    whole = reduce.num_prompts(mask_PK) * reduce.batch_mean(x_PK, mask_PK).item()
    assert abs(total - whole) < 1e-9
