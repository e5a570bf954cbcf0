import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Sampling, Trajectory
from steelyard.learner import collate, micro_batches
from steelyard.objective import VarGradTB


def trajectory(prompt: str, length: int, reward: float | None = 1.0, actions: int = 2) -> Trajectory:
    action = np.zeros(length, bool)
    action[-actions:] = True
    return Trajectory(
        prompt,
        np.arange(length, dtype=np.int32),
        action,
        np.where(action, -0.5, 0.0).astype(np.float32),
        3,
        "d",
        Sampling(),
        "stop",
        logp_ref_T=np.where(action, -0.25, 0.0).astype(np.float32),
        reward=reward,
    )


def test_collate_by_hand() -> None:
    batch = collate([[trajectory("a", 4), trajectory("a", 3, reward=None)], [trajectory("b", 5, reward=0.5)]])
    assert batch.logp_PGT.shape == (2, 2, 5)
    assert batch.valid_PG.tolist() == [[True, False], [True, False]]
    assert batch.field("reward_PG")[:, 0].tolist() == [1.0, 0.5]
    assert batch.field("tokens_PGT")[0, 0].tolist() == [0, 1, 2, 3, 0]
    assert batch.action_PGT[0, 0].tolist() == [False, False, True, True, False]
    assert batch.field("logp_ref_PGT")[1, 0].tolist() == [0.0, 0.0, 0.0, -0.25, -0.25]
    assert not batch.action_PGT[1, 1].any(), "a filler row has no actions"


def test_what_an_environment_told_is_no_action_and_has_no_gradient() -> None:
    """prompt | turn | answer | turn: the loss may weigh every step, and the answer's still get nothing."""
    told = trajectory("a", 7)
    acted = [False, False, True, True, False, False, True]
    batch = collate([[told.replace(action_T=np.array(acted)), trajectory("a", 4)]])
    assert batch.action_PGT[0, 0].tolist() == acted
    logp_PGT = torch.full(batch.logp_PGT.shape, -1.0, requires_grad=True)
    loss = VarGradTB(beta=0.5)(batch.replace(logp_PGT=logp_PGT, reward_PG=torch.tensor([[1.0, 0.0]])))
    (grad_PGT,) = torch.autograd.grad(loss.value, logp_PGT)
    assert (grad_PGT[0, 0] != 0).tolist() == acted


@given(st.lists(st.tuples(st.integers(2, 30), st.integers(1, 4)), min_size=1, max_size=12), st.integers(1, 200))
def test_micro_batches_keep_groups_whole_and_within_budget(shapes: list[tuple[int, int]], budget: int) -> None:
    groups = [[trajectory(f"p{i}", length)] * size for i, (length, size) in enumerate(shapes)]
    parts = list(micro_batches(groups, budget))
    assert sorted(g[0].prompt_id for part in parts for g in part) == sorted(g[0].prompt_id for g in groups)
    for part in parts:
        padded = sum(len(g) for g in part) * max(len(t.tokens_T) for g in part for t in g)
        assert padded <= budget or len(part) == 1


def _saying(trajectory: Trajectory, token: int) -> Trajectory:
    """The same with another first action."""
    tokens_T = trajectory.tokens_T.copy()
    tokens_T[-2] = token
    return trajectory.replace(tokens_T=tokens_T)


@given(
    st.lists(st.tuples(st.integers(3, 30), st.lists(st.integers(0, 2), min_size=1, max_size=5)), min_size=1),
    st.integers(1, 200),
)
def test_shared_prompts_and_rests_count_once_and_padding_not_at_all(shapes: list, budget: int) -> None:
    groups = [[_saying(trajectory(f"p{i}", n), said) for said in all_said] for i, (n, all_said) in enumerate(shapes)]
    parts = list(micro_batches(groups, budget, shared=True))
    assert sorted(g[0].prompt_id for part in parts for g in part) == sorted(g[0].prompt_id for g in groups)
    for part in parts:
        # Of two actions the first is fed in, once for all that say the same.
        computed = sum(len(g[0].tokens_T) - 2 + len({int(t.tokens_T[-2]) for t in g}) for g in part)
        assert computed <= budget or len(part) == 1


def test_shared_prompts_let_more_groups_pass_at_once() -> None:
    groups = [[trajectory(f"p{i}", 10)] * 8 for i in range(4)]
    assert [len(part) for part in micro_batches(groups, 160)] == [2, 2]
    assert [len(part) for part in micro_batches(groups, 64, shared=True)] == [4]
    other = [trajectory("q", 10), trajectory("q", 6)]
    other[1] = other[1].replace(tokens_T=other[1].tokens_T + 1)
    assert [len(part) for part in micro_batches([other, other], 27, shared=True)] == [1, 1], "8 + 4 + 1 + 1 each"
    assert [len(part) for part in micro_batches([other, other], 28, shared=True)] == [2]


def test_masks_are_boolean_and_lengths_agree() -> None:
    batch = collate([[trajectory("a", 6)]])
    assert batch.action_PGT.dtype == torch.bool
    assert int(batch.action_PGT.sum()) == 2
