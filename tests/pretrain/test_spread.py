import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from steelyard.core import Prompt
from steelyard.learner import demonstration
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.spectrum import Spectrum
from steelyard.pretrain.spread import HeldOutDraws, normalised, room
from steelyard.task.draws import Example, Process, Target
from steelyard.worlds.sync_loop import imitate_all, tiny_policy

PLAIN = Spectrum(role="{role} ", after=" ")
WORDS = ("description", "input", "output", "die", "coin", "a", "b", "c")
DIE = Process("die", ("die",), tuple(map(Example, "aabaabaab")))
LAW = Target("die", "", ("a", "b", "c"), np.array([2 / 3, 1 / 3, 0.0]))


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(WORDS, seed=1, width=32, layers=2, context=48, spaced=True)


def looks(policy, processes=(DIE,), targets=(LAW,), **settings):
    given = {"shots": 3, "samples": 20, "max_tokens": 2, "seed": 0} | settings
    return HeldOutDraws(policy, PLAIN, list(processes), list(targets), **given)


def test_a_distance_is_that_of_the_outcomes_alone(policy):
    tv, js, mass = looks(policy).distance("die", [], LAW)
    asked = Prompt("p", PLAIN.prompt(policy, "die", [], ""))
    p_K = np.exp([total_logp(policy, [demonstration(policy, asked, o)])[0] for o in "abc"])
    assert mass == pytest.approx(p_K.sum())
    assert tv == pytest.approx(np.abs(p_K / p_K.sum() - LAW.probability_K).sum() / 2)
    assert 0 < js < math.log(2)


def test_probabilities_too_small_for_a_float_are_normalised():
    assert normalised(np.array([-2000.0, -2000.0 + math.log(3)])) == pytest.approx([0.25, 0.75])


def test_a_model_that_has_learned_the_process_draws_as_it_does(policy):
    learned = looks(policy)
    before, _ = learned()
    every = Process("die", ("die",), DIE.examples * 20)
    rows = [one.trajectory for seed in range(6) for one in PLAIN.sequences(policy, every, seed)]
    imitate_all(policy, rows, steps=60, batch=16, learning_rate=1e-2, seed=0)
    row, samples = learned()
    assert set(row) == {
        *(f"eval/{name}_{look}" for name in ("tv", "js", "mass") for look in ("described", "in_context")),
        *(f"eval/{name}" for name in ("held_out_loss", "in_context_loss", "in_context_accuracy")),
        *(f"eval/{name}" for name in ("valid", "unique", "yield")),
    }
    for name in ("tv_described", "js_described", "tv_in_context", "in_context_loss", "held_out_loss"):
        assert row[f"eval/{name}"] < before[f"eval/{name}"]
    assert row["eval/tv_described"] < 0.12
    assert row["eval/mass_described"] > 0.95
    # Two tokens an output, of which the end is sure: half of the entropy of (2/3, 1/3).
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert row["eval/in_context_loss"] == pytest.approx(entropy / 2, abs=0.06)
    assert row["eval/in_context_accuracy"] == pytest.approx(2 / 3, abs=0.13)  # the greedy output is always "a"
    assert row["eval/valid"] > 0.9
    assert row["eval/yield"] == 2.0
    assert row["eval/unique"] == pytest.approx(2 / (20 * row["eval/valid"]))
    assert samples[0]["prompt"].startswith("description die output")


def test_what_the_last_position_does_not_read_does_not_count(policy):
    """Shown draws are the first ones of an order that does not depend on the policy."""
    assert looks(policy)() == looks(policy)()
    other, _ = looks(policy, seed=5)()
    assert other != looks(policy)()[0]


def test_without_a_description_nothing_is_measured_of_descriptions(policy):
    row, _ = looks(policy, [replace(DIE, descriptions=())])()
    assert "eval/tv_described" not in row
    assert {"eval/tv_in_context", "eval/held_out_loss"} <= set(row)


def test_one_draw_of_a_task_tells_nothing_in_context(policy):
    row, _ = looks(policy, [replace(DIE, examples=DIE.examples[:1])], [])()
    assert set(row) == {"eval/held_out_loss", "eval/valid", "eval/unique", "eval/yield"}
    bare, _ = looks(policy, [replace(DIE, examples=DIE.examples[:1], descriptions=())], [])()
    assert set(bare) == {"eval/valid", "eval/unique", "eval/yield"}


def test_fewer_draws_are_shown_where_there_is_no_room(policy):
    """After the description and three draws the prompt has 12 tokens; one output with its end has 2."""
    assert room(policy, replace(PLAIN, max_length=14), DIE, [LAW], DIE.examples[:3], 2)
    assert not room(policy, replace(PLAIN, max_length=13), DIE, [LAW], DIE.examples[:3], 2)
    longer = replace(LAW, outputs=("a", "b", "c c"))
    assert not room(policy, replace(PLAIN, max_length=14), DIE, [longer], DIE.examples[:3], 2)
    tight = replace(looks(policy), method=replace(PLAIN, max_length=11))
    assert len(tight._shots(DIE)) == 2
    assert len(looks(policy)._shots(DIE)) == 3


def test_the_policy_is_only_read(policy):
    before = torch.cat([p.detach().flatten().clone() for p in policy.model.parameters()])
    looks(policy)()
    assert torch.equal(before, torch.cat([p.detach().flatten() for p in policy.model.parameters()]))
