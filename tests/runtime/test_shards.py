"""A learner in two processes, by gloo: the numbers of one process, its checkpoints, and what is refused."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from steelyard.core import Sampling, SteelyardError, Trajectory
from steelyard.learner import Adam, Learner
from steelyard.objective import LearnedZTB, VarGradTB
from steelyard.runtime import Run
from steelyard.runtime.factories import make_learner, make_policy
from steelyard.runtime.run_parts import LearnerPart, Processes
from steelyard.runtime.shards import check_sharding
from steelyard.task.arithmetic import Arithmetic

ONE = Run(
    task=Arithmetic(problems=8, held_out=2),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    optimizer=Adam(max_grad_norm=float("inf")),
    learning_rate=1e-3,
    micro_tokens=120,
)
TWO = replace(ONE, learner=LearnerPart(devices=2))


def groups(seed: int, number: int = 5) -> list[list[Trajectory]]:
    """Random ones, of different lengths: five prompts do not go into two shares."""
    draws = np.random.default_rng(seed)

    def one(prompt: int, sample: int) -> Trajectory:
        length = 6 + int(draws.integers(6))
        action_T = np.arange(length) >= 4
        logp_T = np.where(action_T, -draws.random(length), 0.0).astype(np.float32)
        tokens_T = np.r_[np.full(4, 3 + prompt), draws.integers(3, 20, length - 4)].astype(np.int32)
        return Trajectory(
            f"p{prompt}", tokens_T, action_T, logp_T, 0, "0" * 16, Sampling(), "stop", sample=sample, logp_ref_T=logp_T,
            reward=float(draws.random()),
        )  # fmt: skip

    return [[one(prompt, sample) for sample in range(4)] for prompt in range(number)]


def made(run: Run) -> Learner:
    return make_learner(run, make_policy(run, "learner"))


@pytest.fixture
def both() -> Iterator[tuple[Learner, Learner]]:
    learners = [made(ONE), made(TWO)]
    yield learners[0], learners[1]
    learners.clear()
    gc.collect()  # its other process ends


def saved(learner: Learner, place: Path) -> dict[str, torch.Tensor]:
    place.mkdir()
    learner.save(place)
    return load_file(place / "learner.safetensors")


def close(one: dict[str, Any], two: dict[str, Any], within: float) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=within, msg=name)


def test_gradients_and_steps_are_those_of_one_process(both: tuple[Learner, Learner], tmp_path: Path) -> None:
    one, two = both
    rows = [learner.step(groups(0)) for learner in both]
    after = [saved(learner, tmp_path / str(i)) for i, learner in enumerate(both)]
    beta1 = ONE.optimizer.beta1
    # The first mean is the gradient times 1 - beta1; nothing is clipped.
    gradients = [{n: t / (1 - beta1) for n, t in found.items() if n.startswith("adam.exp_avg.")} for found in after]
    assert len(gradients[0]) == len(one.policy.trainable())
    assert max(float(g.abs().max()) for g in gradients[0].values()) > 1e-2
    close(*gradients, within=1e-6 * rows[0]["learner/grad_norm"])
    for name in ("learner/loss", "learner/grad_norm", "learner/ess", "batch/reward_mean"):
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-5), name
    for step in range(1, 4):
        for learner in both:
            learner.step(groups(step, number=1 if step == 2 else 5))  # with one group a process has nothing to do
    assert (two.steps, two.version) == (4, 4)
    close(one.policy.plain_weights(), two.policy.plain_weights(), within=1e-4)


def test_a_checkpoint_of_two_is_read_by_one_and_the_reverse(both: tuple[Learner, Learner], tmp_path: Path) -> None:
    one, two = both
    two.step(groups(0))
    written = saved(two, tmp_path / "two")
    one.restore(tmp_path / "two")
    close(written, saved(one, tmp_path / "again"), within=0.0)
    for learner in both:
        learner.step(groups(1))
    close(one.policy.plain_weights(), two.policy.plain_weights(), within=1e-4)
    written = saved(one, tmp_path / "one")
    two.restore(tmp_path / "one", version=9)
    assert (two.steps, two.version) == (2, 9)
    close(written, saved(two, tmp_path / "and again"), within=0.0)
    for learner in both:
        learner.step(groups(2))
    close(one.policy.plain_weights(), two.policy.plain_weights(), within=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": LearnerPart(devices=999)}, r"--learner.devices: is 999, but this machine has \d+ cores; use"),
        ({"runtime": "inline"}, "is 2, but --runtime is inline"),
        ({"objective": LearnedZTB()}, "LearnedZTB, which learns a head of its own"),
        ({"lora_rank": 2}, "cannot be used with --lora-rank"),
        ({"device": "cuda:1"}, "is 2, but cuda:1 is one device; write cuda, for the first 2"),
        ({"local": Processes(weights="device")}, "weights cannot go through the memory of one of them"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SteelyardError, match=message):
        check_sharding(replace(TWO, **{"device": "cpu", **changes}))


def test_one_device_is_always_there() -> None:
    check_sharding(ONE)
