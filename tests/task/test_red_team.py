import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError, rng
from steelyard.task import RedTeam
from steelyard.task.provocation import (
    ANSWER,
    CLEAN,
    FAMILIES,
    FOUL_SHARES,
    LINK,
    WORST,
    family_of,
    family_words,
    foulness,
    provoked,
    reply,
    sentence,
    toxicity,
    vocabulary,
    words,
)
from steelyard.task.red_team import LOWEST, diversity
from steelyard.task.victim import Victim

ACT, THING, WAY = (words(kind)[place] for kind, place in FAMILIES[0])
HIT = f"{ACT} {THING} {WAY}"
STRANGER = f"{words('who')[0]} {words('act')[11]} {words('thing')[11]}"


@pytest.fixture(scope="module")
def task():
    return RedTeam()


def test_no_word_is_twice_in_the_language():
    assert len(vocabulary()) == len(set(vocabulary()))
    assert len({family_words(f) for f in range(len(FAMILIES))}) == 8


def test_what_provokes_by_hand():
    assert family_of(HIT) == 0 and provoked(f"{WAY} {THING} {ACT}") == (0, FOUL_SHARES[3])
    assert family_of(ACT) is None and provoked(ACT) == (0, FOUL_SHARES[1])
    assert provoked(STRANGER)[1] == FOUL_SHARES[0]
    act, thing, way = (words(kind)[place] for kind, place in FAMILIES[6])
    assert provoked(f"{act} {thing}") == (6, FOUL_SHARES[2]) and provoked(f"{act} {thing} {way}") == (6, FOUL_SHARES[3])


@given(st.integers(0, 7), st.integers(0, 1000))
def test_a_sentence_of_a_family_is_of_one(family, seed):
    text = sentence(rng(seed, "test"), family)
    assert family_words(family) <= set(text.split()) <= set(vocabulary()) - {ANSWER}
    assert family_of(text) is not None and len(text.split()) <= 11


def test_families_get_rarer():
    draws = rng(3, "test")
    found = Counter(family_of(sentence(draws)) for _ in range(20_000))
    assert found[0] > found[1] > found[2] > found[4] and found[None] > 17_000
    assert any(LINK in sentence(draws) for _ in range(10))


def test_the_judge_counts_foul_words():
    foul, fine = words("foul")[0], words("fine")[0]
    assert toxicity([f"{foul} {foul}", f"{foul} {fine}", fine], [0.5] * 3) == pytest.approx([WORST, 0.54, CLEAN])
    assert toxicity([fine, fine], [0.0, 1.0]) == pytest.approx([0.09, 0.15])
    assert foulness(["attack"], [f"{foul} {fine}"]) == pytest.approx([0.54])


def test_manners_follow_the_family():
    draws = rng(1, "test")
    said = " ".join(reply(HIT, draws) for _ in range(200)).split()
    assert set(said) <= {*words("fine"), *words("foul")[:2]}
    assert np.mean([word in words("foul") for word in said]) == pytest.approx(FOUL_SHARES[3], abs=0.05)


def test_the_shipped_victim_is_provoked_by_every_family(task):
    provoking = [RedTeam.attack(sentence(rng(f, "test"), f)) for f in range(8)]
    assert all(tox > 0.5 for tox in task.toxicity(provoking))
    assert task.toxicity([RedTeam.attack(STRANGER)])[0] < 0.3


def test_a_reward_above_one_is_a_success(task):
    attacks = [RedTeam.attack(sentence(rng(s, "test"), s % 8 if s % 2 else None)) for s in range(12)]
    for scale, shape in (("log", lambda t: 1 + math.log(2 * t)), ("mean", lambda t: 2 * t)):
        for score in RedTeam(scale=scale).score(attacks):
            assert score.value == pytest.approx(shape(score.parts["toxicity"]))
            assert (score.value > 1) == (score.parts["toxicity"] > 0.5)


def test_what_is_cut_off_has_the_lowest_toxicity(task):
    attack = RedTeam.attack(HIT)
    cut = type(attack)(attack.prompt, attack.completion, attack.trajectory.replace(finish="length"))
    assert task.toxicity([cut, attack])[0] == LOWEST < task.toxicity([attack])[0]


def test_replies_depend_on_text_and_sample_alone(task):
    text = f"{ACT} {words('thing')[11]}"
    alone = [task.toxicity([RedTeam.attack(text, s)])[0] for s in range(8)]
    assert task.toxicity([RedTeam.attack(text, s) for s in range(8)]) == alone
    assert len(set(alone)) > 1


def test_measures_by_hand(task):
    won, lost = RedTeam.attack(HIT), RedTeam.attack(STRANGER)
    found = task.measure([[won, won], [lost]], [])
    assert found["success"] == pytest.approx(2 / 3) and found["families"] == 1
    assert found["diversity_success"] == pytest.approx(0, abs=1e-9), "twice the same"
    assert found["diversity"] == pytest.approx(2 / 3 * diversity([won.completion, lost.completion]))
    assert task.measure([], []) == dict.fromkeys(found, 0.0)


def test_novelty_is_added_to_the_reward(task):
    attacks = [RedTeam.attack(HIT), RedTeam.attack(STRANGER)]
    plain, paid = task.score(attacks), RedTeam(novelty=0.5).score(attacks)
    for a, b in zip(plain, paid, strict=True):
        assert b.value == pytest.approx(a.value + 0.5 * b.parts["novelty"])


def test_a_draw_is_by_inverse_distribution(task):
    victim: Victim = task._victim
    low, high = ([r[0] for r in victim.replies([STRANGER], np.full((1, 1, 2), u))] for u in (0.0, 1.0 - 1e-12))
    assert low != high and victim.replies(["unheard"] * 2, np.full((2, 3, 2), 0.5))[0][0].count(" ") == 1


@pytest.mark.parametrize("wrong", [{"replies": 0}, {"novelty": -1.0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SteelyardError, match=next(iter(wrong))):
        RedTeam(**wrong)
