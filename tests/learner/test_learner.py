import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.core import (
    Batch,
    Loss,
    Request,
    Sampling,
    Schedule,
    SteelyardError,
    Trajectory,
    WarmupStableDecay,
    Weights,
)
from steelyard.learner import Adam, Learner
from steelyard.objective import VCPO, LearnedZTB, Reinforce, ReinforceEMA, StepKTO, VarGradTB
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.rollout import engine_for
from steelyard.unlearn import NPO

Made = tuple[Learner, list[list[Trajectory]]]


@pytest.fixture
def make(tiny_model_dir: Callable[[str], Path]) -> Callable[..., Made]:
    def make(objective: object = None, **settings: object) -> Made:
        policy = Policy.load(str(tiny_model_dir("llama")))
        requests = [Request(p, tuple(policy.encode(p)), s) for p in ("1+2=", "7-5=") for s in range(4)]
        found = list(engine_for(policy, 0).generate(requests, Sampling(max_tokens=6)))
        found = reference_logp(policy, Weights.of(policy.weights(), 0), found, 1.0)
        rewarded = [t.replace(reward=float(t.tokens_T.sum() % 3)) for t in found]
        groups = [[t for t in rewarded if t.prompt_id == p] for p in ("1+2=", "7-5=")]
        options = {"learning_rate": 1e-2} | settings
        return Learner(policy, objective or VarGradTB(beta=0.1), options.pop("optimizer", Adam()), **options), groups  # type: ignore[arg-type]

    return make


def test_a_step_moves_the_weights_and_reports_it(make: Callable[..., Made]) -> None:
    learner, groups = make()
    before = learner.policy.weights()
    metrics = learner.step(groups)
    assert not np.array_equal(before, learner.policy.weights())
    assert learner.version == 1
    assert metrics["learner/grad_norm"] > 0
    assert metrics["batch/trajectories"] == 8
    assert metrics["batch/staleness"] == {"0": 8}


def test_loss_falls_on_a_fixed_batch(make: Callable[..., Made]) -> None:
    learner, groups = make(learning_rate=3e-3)
    losses = [learner.step(groups)["learner/loss"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_cutting_the_batch_changes_nothing(make: Callable[..., Made]) -> None:
    whole, groups = make()
    cut, _ = make(micro_tokens=1)
    one, many = whole.step(groups), cut.step(groups)
    assert many["learner/loss"] == pytest.approx(one["learner/loss"], abs=1e-6)
    assert many["learner/grad_norm"] == pytest.approx(one["learner/grad_norm"], rel=1e-4)


def test_one_valid_sample_per_prompt_teaches_nothing(make: Callable[..., Made]) -> None:
    learner, groups = make()
    before = learner.policy.weights()
    metrics = learner.step([[t if i == 0 else t.replace(reward=None) for i, t in enumerate(g)] for g in groups])
    assert metrics["learner/grad_norm"] == 0.0
    assert np.array_equal(before, learner.policy.weights())


def test_a_batch_without_rewards_has_no_weight(make: Callable[..., Made]) -> None:
    learner, groups = make()
    before = learner.policy.weights()
    metrics = learner.step([[t.replace(reward=None) for t in g] for g in groups])
    assert metrics["batch/reward_mean"] is None
    assert np.array_equal(before, learner.policy.weights())


def test_masked_completions_that_were_cut_off_count_as_without_reward(make: Callable[..., Made]) -> None:
    learner, groups = make(mask_truncated=True)
    other, _ = make()
    some = [[t.replace(finish="length" if i in (1, 2) else "stop") for i, t in enumerate(g)] for g in groups]
    masked = learner.step(some)
    without = other.step([[t if t.finish == "stop" else t.replace(reward=None) for t in g] for g in some])
    assert np.array_equal(learner.policy.weights(), other.policy.weights())
    assert masked["learner/loss"] == without["learner/loss"]
    assert masked["batch/reward_mean"] == pytest.approx(np.mean([t.reward for g in some for t in g]))


def test_a_step_of_completions_that_were_all_cut_off_changes_nothing(make: Callable[..., Made]) -> None:
    learner, groups = make(mask_truncated=True)
    before = learner.policy.weights()
    assert learner.step([[t.replace(finish="length") for t in g] for g in groups])["learner/grad_norm"] == 0.0
    assert np.array_equal(before, learner.policy.weights())


def test_schedules_of_rate_and_beta(make: Callable[..., Made]) -> None:
    schedule = WarmupStableDecay(warmup=1, stable=1, decay=2)
    learner, groups = make(optimizer=Adam(schedule=schedule), schedules={"beta": Schedule(0.4, 0.2, 2)})
    rows = [learner.step(groups) for _ in range(5)]
    assert [r["learner/learning_rate"] for r in rows] == pytest.approx([0.005, 0.01, 0.01, 0.005, 0.0])
    assert [r["learner/beta"] for r in rows] == pytest.approx([0.4, 0.3, 0.2, 0.2, 0.2])


def test_reference_reset_recomputes_stored_reference_logp(make: Callable[..., Made]) -> None:
    learner, groups = make(reference_reset=1)
    learner.step(groups)
    assert learner.reference.version == 1
    fresh = learner._refer(groups[0])
    assert all(t.ref_version == 1 for t in fresh)
    assert not np.allclose(fresh[0].logp_ref_T, groups[0][0].logp_ref_T)  # type: ignore[arg-type]
    # Under the new reference the policy is the reference, so the log-ratio, and with it the KL term, is 0.
    metrics = learner.step(groups)
    assert metrics["objective/kl"] == pytest.approx(0.0, abs=1e-5)


def test_a_learned_log_z_is_trained_beside_the_policy(make: Callable[..., Made]) -> None:
    learner, groups = make(LearnedZTB(beta=0.5))
    assert learner.head is not None
    before = [p.detach().clone() for p in learner.head.parameters()]
    learner.step(groups)
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.head.parameters(), strict=True))


def test_gradients_are_clipped_but_reported_whole(make: Callable[..., Made]) -> None:
    learner, groups = make(Reinforce(), optimizer=Adam(max_grad_norm=1e-9))
    metrics = learner.step([[t.replace(reward=100.0) for t in g] for g in groups])
    assert metrics["learner/grad_norm"] > 1.0
    total = torch.stack([p.grad.norm() for p in learner.parameters if p.grad is not None]).norm()
    assert float(total) <= 1.1e-9


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_weights(make: Callable[..., Made]) -> None:
    learner, groups = make(Reinforce())
    before = learner.policy.weights()
    with pytest.raises(SteelyardError, match="at step 1"):
        learner.step([[dataclasses.replace(t, reward=3e38) for t in g] for g in groups])
    assert np.array_equal(before, learner.policy.weights())


def test_a_state_is_read_within_a_step_and_updated_once_after_it_however_the_batch_is_cut(
    make: Callable[..., Made],
) -> None:
    whole, groups = make(ReinforceEMA(decay=0.5))
    cut, _ = make(ReinforceEMA(decay=0.5), micro_tokens=1)
    mean = sum(t.reward for g in groups for t in g) / 8  # type: ignore[misc]
    for learner in (whole, cut):
        assert learner.step(groups)["objective/baseline"] == 0.0
        assert learner.state.value == pytest.approx(mean)
    one, many = whole.step(groups), cut.step(groups)
    assert one["objective/baseline"] == pytest.approx(mean)
    assert many["learner/loss"] == pytest.approx(one["learner/loss"], abs=1e-6)
    assert many["learner/grad_norm"] == pytest.approx(one["learner/grad_norm"], rel=1e-4)
    assert cut.state.value == pytest.approx(whole.state.value)


def test_a_step_without_weight_leaves_the_state(make: Callable[..., Made]) -> None:
    learner, groups = make(ReinforceEMA())
    before = learner.state
    learner.step([[t.replace(reward=None) for t in g] for g in groups])
    assert learner.state == before


def test_labels_that_an_objective_needs_reach_it_and_a_missing_field_is_one_line(make: Callable[..., Made]) -> None:
    learner, groups = make(NPO())
    with pytest.raises(SteelyardError, match="has no label 'retain'"):
        learner.step(groups)
    labelled = [[t.replace(labels={"retain": i == 1}) for t in g] for i, g in enumerate(groups)]
    assert learner.step(labelled)["objective/forget"] != 0.0
    learner, groups = make(StepKTO())
    with pytest.raises(SteelyardError, match="StepKTO: needs reward_PGT"):
        learner.step(groups)


def test_an_objective_scales_the_step_by_the_effective_sample_size(make: Callable[..., Made]) -> None:
    ours, groups = make(VCPO())
    aged = [[t.replace(logp_behaviour_T=t.logp_behaviour_T - 0.3 * i) for i, t in enumerate(g)] for g in groups]
    metrics = ours.step(aged)
    assert 0 < metrics["learner/ess"] < 0.95
    assert metrics["learner/learning_rate"] == pytest.approx(0.01 * metrics["learner/ess"] ** 0.5)
    # A learner whose rate is that from the beginning makes the same step, and one step on fresh data is not scaled.
    same, _ = make(Unscaled(), learning_rate=metrics["learner/learning_rate"])
    same.step(aged)
    assert np.array_equal(ours.policy.weights(), same.policy.weights())
    fresh, groups = make(VCPO())
    assert fresh.step(groups)["learner/learning_rate"] == pytest.approx(0.01, rel=1e-3)


class Unscaled:
    """VCPO's loss at a rate that nothing scales."""

    needs = VCPO.needs

    def __call__(self, batch: Batch) -> Loss:
        """The loss."""
        return VCPO()(batch)
