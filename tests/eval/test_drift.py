"""`drift` against sums over all completions of the enumerable world, and as a run whose task measures writes it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from steelyard import train
from steelyard.core import Episode, Request, Sampling, Trajectory, Weights
from steelyard.eval import TaskWithMetrics, drift
from steelyard.eval.exact import kl, list_logp
from steelyard.objective import VarGradTB
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.runtime import HeldOut, Run
from steelyard.task import Enumerable
from steelyard.worlds.bases.enumerable import make

TASK = Enumerable()
PROMPT = TASK.prompts("held-out")[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A policy, its weights, and those of a reference that differs."""
    base = Policy.load(str(make(tmp_path_factory.mktemp("base"))))
    policy = Policy.load(str(make(tmp_path_factory.mktemp("other"), seed=1)))
    return policy, Weights.of(policy.weights(), 3), Weights.of(base.weights(), 0)


def every(policy, temperature=1.0) -> list[Trajectory]:
    """Each of the 1000 completions once; nothing says which weights drew it."""
    before = policy.encode(PROMPT.text)
    rows = [np.array([*before, *policy.encode(text)], np.int32) for text in TASK.completions()]
    action = np.arange(len(rows[0])) >= len(before)
    nothing = np.zeros(len(rows[0]), np.float32)
    return [
        Trajectory(PROMPT.id, row, action, nothing, 9, "unknown", Sampling(temperature, 3), "length") for row in rows
    ]


def logs(policy, weights, temperature=1.0):
    with policy.holding(weights.data):
        return list_logp(policy, PROMPT, TASK.completions(), temperature)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_over_every_completion_once_it_is_the_plain_mean(world, temperature):
    """With each of N completions once: 1/N sum (log p - log q), its opposite, and exp(-sum log q / 3N)."""
    policy, own, reference = world
    p, q = logs(policy, own, temperature), logs(policy, reference, temperature)
    rows = every(policy, temperature)
    found = drift(policy, rows, rows, weights=own, reference=reference, temperature=temperature)
    assert found["eval/kl_to_reference"] == pytest.approx((p - q).mean(), abs=1e-4)
    assert found["eval/kl_from_reference"] == pytest.approx((q - p).mean(), abs=1e-4)
    assert found["eval/perplexity_reference"] == pytest.approx(math.exp(-q.sum() / (3 * len(q))), rel=1e-4)


def test_samples_estimate_the_exact_divergences_each_in_its_direction(world):
    policy, own, reference = world
    p, q = logs(policy, own), logs(policy, reference)
    engine, tokens = engine_for(policy, 900), tuple(policy.encode(PROMPT.text))

    def samples(weights: Weights) -> list[Trajectory]:
        engine.load(weights)
        return list(engine.generate([Request(PROMPT.id, tokens, s) for s in range(2000)], Sampling(1.0, 3)))

    drawn, drawn_ref = samples(own), samples(reference)
    before = policy.weights()
    found = drift(policy, drawn, drawn_ref, weights=own, reference=reference, temperature=1.0)
    assert np.array_equal(policy.weights(), before)
    for name, a, b in (("kl_to_reference", p, q), ("kl_from_reference", q, p)):
        exact = kl(a, b)
        error = math.sqrt((np.exp(a) * (a - b - exact) ** 2).sum() / 2000)
        assert found[f"eval/{name}"] == pytest.approx(exact, abs=4 * error)
        assert exact > 10 * error  # so the test can tell
    cross = -(np.exp(p) * q).sum() / 3
    assert found["eval/perplexity_reference"] == pytest.approx(math.exp(cross), rel=0.05)


def test_a_policy_is_no_distance_from_itself(world):
    """And its perplexity under itself is that of its own samples; equal weights of another version are the same."""
    policy, own, _ = world
    rows = every(policy)
    found = drift(policy, rows, rows, weights=own, reference=Weights.of(own.data, 0), temperature=1.0)
    assert found["eval/kl_to_reference"] == found["eval/kl_from_reference"] == 0


@dataclass(frozen=True)
class Counted(Enumerable):
    """The enumerable world with a measure of its own: how many samples there were, and what they began with."""

    def measure(
        self, samples: Sequence[Sequence[Episode]], reference: Sequence[Sequence[Episode]]
    ) -> Mapping[str, float]:
        assert [e.prompt.id for group in samples for e in group] == [e.prompt.id for group in reference for e in group]
        versions = {e.trajectory.version for group in reference for e in group}
        return {"counted": float(sum(map(len, samples))), "reference_version": float(max(versions))}


def test_a_task_that_measures_gets_its_names_and_the_drift_into_every_evaluation(tmp_path):
    assert isinstance(Counted(), TaskWithMetrics)
    assert not isinstance(TASK, TaskWithMetrics)
    run = Run(
        task=Counted(), objective=VarGradTB(beta=0.15), model="steelyard/enumerable", runtime="inline", max_steps=2,
        num_prompts=2, num_generations=8, search_prompts=2, max_completion_length=3, learning_rate=1e-2, save_steps=0,
        evaluation=HeldOut(every=1, prompts=2, sampled_prompts=2, samples=5), output_dir=str(tmp_path / "run"),
    )  # fmt: skip
    train(run, report=False)
    rows = [json.loads(line) for line in (tmp_path / "run/eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(row["eval/counted"] == 10 and row["eval/reference_version"] == 0 for row in rows)
    first, last = rows[0], rows[-1]
    assert first["eval/kl_to_reference"] == first["eval/kl_from_reference"] == 0
    assert last["eval/kl_to_reference"] != 0 != last["eval/kl_from_reference"]
    assert last["eval/perplexity_reference"] > 1


def test_a_task_without_measures_has_none_of_it(tmp_path):
    run = replace(
        Run(task=TASK, objective=VarGradTB(beta=0.15), model="steelyard/enumerable"), runtime="inline", max_steps=1,
        num_prompts=2, num_generations=8, search_prompts=2, max_completion_length=3, save_steps=0,
        evaluation=HeldOut(every=1, prompts=2, sampled_prompts=1, samples=1), output_dir=str(tmp_path / "run"),
    )  # fmt: skip
    train(run, report=False)
    row = json.loads((tmp_path / "run/eval.jsonl").read_text().splitlines()[-1])
    assert not {"eval/kl_to_reference", "eval/perplexity_reference"} & set(row)
