import numpy as np
import pytest

from steelyard.core import Prompt, Sampling, Trajectory, rng
from steelyard.learner import Learner
from steelyard.policy import Policy
from steelyard.pretrain.mixing_runs import Proxies, drawn_shares


class Counts(Policy):
    """How often each domain was shown."""

    def __init__(self):
        self.counts = np.zeros(3)


class Counted(Learner):
    """A learner that counts the domains of what it is shown; its policy's losses are the counts."""

    def __init__(self):
        self.policy = Counts()

    def step(self, groups):
        for [row] in groups:
            self.policy.counts[int(row.prompt_id.removeprefix("p")) % 3] += 1
        return {}


def proxies(**settings):
    prompts = [Prompt(f"p{i}", f"{i}", {"domain": i % 3}) for i in range(9)]
    nothing_T = np.zeros(2, np.float32)
    tokens_T, action_T = np.array([1, 2], np.int32), np.array([False, True])
    one = Trajectory("p", tokens_T, action_T, nothing_T, 0, "", Sampling(), "stop")
    rows = [one.replace(prompt_id=prompt.id) for prompt in prompts]
    known = {"rounds": 4, "steps": 50, "batch_size": 8, "drift": 0.3, "seed": 5} | settings
    return Proxies(Counted, prompts, rows, lambda policy: policy.counts.copy(), **known)


def test_a_run_trains_by_its_shares_and_measures_before_and_after_each_round():
    run = proxies().run(0)
    assert np.shape(run.shares) == (4, 3)
    assert np.shape(run.losses) == (5, 3)
    assert run.losses[0] == [0, 0, 0]
    drawn = np.diff(run.losses, axis=0)
    assert drawn.sum(1).tolist() == [400] * 4
    assert drawn / 400 == pytest.approx(np.array(run.shares), abs=0.1)


def test_a_run_is_a_function_of_its_number_and_the_seed():
    assert proxies().run(2) == proxies().run(2)
    assert proxies().run(2) != proxies().run(3)
    assert proxies().run(2) != proxies(seed=6).run(2)


def test_shares_drift():
    still = drawn_shares(3, 5, 1e-9, rng(0, "x"))
    assert np.ptp(still, axis=0).max() < 1e-6
    anew = drawn_shares(3, 5, 1.0, rng(0, "x"))
    again = rng(0, "x")
    assert np.array(anew) == pytest.approx(np.array([again.dirichlet(np.ones(3)) for _ in range(5)]))
    assert np.array(drawn_shares(3, 5, 0.3, rng(0, "x"))).sum(1) == pytest.approx([1] * 5)
