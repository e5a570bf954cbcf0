import numpy as np
import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.unlearn import NPO, GradientAscent, unlearn
from steelyard.unlearn.audit import mean_logp
from steelyard.worlds.sync_loop import copied, demonstration, tiny_policy


@pytest.fixture(scope="module")
def policy():
    return tiny_policy("abcdxy:", seed=0, width=16, layers=1, heads=2, context=8)


def groups(policy, letters, keep):
    return [[demonstration(policy, Prompt(f"{a}:", f"{a}:"), "xy", labels={"retain": keep})] for a in letters]


def run(policy, objective, forget="abc", retain="d", **settings):
    trained = copied(policy)
    settings = {"epochs": 2, "batch": 2, "learning_rate": 1e-3, "seed": 0} | settings
    forget, retain = groups(trained, forget, False), groups(trained, retain, True)
    return trained, [*unlearn(trained, objective, forget, retain, **settings)]


def test_every_epoch_sees_each_forgotten_prompt_beside_a_retained_one(policy):
    _, rows = run(policy, NPO())
    assert [row["batch/prompts"] for row in rows] == [4, 2, 4, 2]
    _, alone = run(policy, NPO(), retain="")
    assert [row["batch/prompts"] for row in alone] == [2, 1, 2, 1]


def test_the_reference_is_the_model_before(policy):
    # At the reference the first step's loss is 2/beta log 2, joined with the retained answer's nats.
    trained, rows = run(policy, NPO(beta=0.5), forget="ab", epochs=1)
    kept = groups(policy, "d", True)[0]
    nats = -float(mean_logp(policy, kept)[0]) * 3
    assert rows[0]["learner/loss"] == pytest.approx((4 * np.log(2) + nats) / 2, rel=1e-5)
    assert trained is not policy


def test_the_forgotten_becomes_less_likely_and_the_retained_more(policy):
    trained, _ = run(policy, GradientAscent(), epochs=5)
    for letters, keep, sign in (("abc", False, -1), ("d", True, 1)):
        rows = [group[0] for group in groups(policy, letters, keep)]
        assert (sign * (mean_logp(trained, rows) - mean_logp(policy, rows)) > 0).all()


def test_a_seed_gives_the_same_run_and_another_seed_another(policy):
    one, two, three = (run(policy, NPO(), seed=seed)[0].weights() for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_nothing_to_forget_is_refused(policy):
    with pytest.raises(SteelyardError, match="nothing to forget"):
        run(policy, NPO(), forget="")
