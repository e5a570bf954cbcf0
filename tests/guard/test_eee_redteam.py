import math

import numpy as np
import pytest
import torch
from scipy.special import logit

from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError
from steelyard.guard.bag import BagGuard
from steelyard.guard.eee_redteam import EEERedTeam, Ensemble, nearness
from steelyard.guard.saved import write_bag
from steelyard.task.provocation import family_words


def episodes(texts):
    return [episode_of(Prompt("p", "x"), text) for text in texts]


def test_nearness_by_hand():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 4.0]])
    found = nearness(points, 2.0)
    assert found[0] == pytest.approx((1 + math.exp(-1) + math.exp(-2)) / 3)
    assert nearness(points[:1], 2.0).tolist() == [1.0]
    assert nearness(np.zeros((4, 2)), 2.0).tolist() == [1.0] * 4
    assert nearness(np.zeros((0, 2)), 2.0).tolist() == []


def test_a_reward_by_hand():
    task = EEERedTeam(adversarial=0.5, diversity=5.0)
    text = " ".join(sorted(family_words(0) | family_words(1)))
    found = task.score(episodes([text, text]))
    odds = math.log(found[0].parts["toxicity"] / (1 - found[0].parts["toxicity"]))
    assert found[0].parts["nearness"] == pytest.approx(1.0), "two that are alike"
    assert found[0].value == pytest.approx(max(0.5 * odds - 5.0, -5.0))


def test_what_is_unlike_the_others_gets_more():
    some, other = " ".join(sorted(family_words(0))), " ".join(sorted(family_words(4)))
    task = EEERedTeam(diversity=2.0, nearness=10.0, bound=50.0)
    alike, _, apart = task.score(episodes([some, some, other]))
    assert apart.parts["nearness"] < alike.parts["nearness"]
    without = EEERedTeam(diversity=0.0, bound=50.0)
    once = without.score(episodes([some]))[0].value
    assert without.score(episodes([some, some, other]))[0].value == pytest.approx(once), "nobody else matters"


def test_short_attacks_get_the_least():
    task = EEERedTeam(min_characters=11, bound=3.0)
    assert task.score(episodes(["0123456789"]))[0].value == -3.0
    assert task.score(episodes(["a longer attack on the victim"]))[0].value >= -3.0


def guard(words, harmful, seed):
    bad_N = torch.tensor([word == harmful for word in words])
    return BagGuard(words, width=8, seed=seed).fit(words, bad_N, words, steps=60, seed=0)


def test_classifiers_of_ones_own_are_read_from_their_runs(tmp_path):
    words = ("good", "bad", "so")
    guards = [guard(words, "bad", seed) for seed in range(2)]
    for n, one in enumerate(guards):
        write_bag(one, tmp_path / f"run{n}" / "model")
    told = Ensemble(tuple(guards))(["x", "y"], ["bad", "good"])
    odds = [logit(one(["bad", "good"]).harm_N.numpy()) for one in guards]
    assert logit(np.array(told)) == pytest.approx(np.mean(odds, axis=0), abs=1e-4), "the mean of the log-odds"
    assert told[0] > told[1]
    task = EEERedTeam(classifiers=(str(tmp_path / "run0"), str(tmp_path / "run1")))
    assert task._judge(["x"], ["bad"]) == pytest.approx([told[0]], abs=1e-6)


def test_classifiers_that_are_not_there_are_refused():
    with pytest.raises(SteelyardError, match="no such directory"):
        EEERedTeam(classifiers=("./nowhere",))
