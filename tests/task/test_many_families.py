from collections import Counter

import numpy as np
import pytest

from steelyard.core import SteelyardError, rng
from steelyard.task import RedTeam
from steelyard.task.many_families import COMMONEST, RAREST, RuleVictim, _chances, drawn
from steelyard.task.provocation import EIGHT, FAMILIES, FOUL_SHARES, family_of, foul_words, sentence, words

MANY = drawn(64)


def saying(family):
    return " ".join(words(kind)[place] for kind, place in MANY.families[family])


def test_the_chances_are_those_of_a_clause():
    chances, draws = _chances(), rng(0, "test")
    assert len(chances) == 12 * 12 * 16
    assert sum(chances.values()) == pytest.approx(0.8), "a way in .4 of clauses and a place in .4"
    commonest = max(chances, key=chances.__getitem__)
    said = {words(kind)[place] for kind, place in commonest}
    clauses = [sentence(draws).split(" nu ")[0].split() for _ in range(20_000)]
    assert np.mean([said <= set(clause) for clause in clauses]) == pytest.approx(chances[commonest], rel=0.2)


def test_families_are_drawn_from_common_to_rare_and_always_the_same():
    chances = [_chances()[family] for family in MANY.families]
    assert chances == sorted(chances, reverse=True) and chances[0] <= COMMONEST and chances[-1] > RAREST
    assert len(set(MANY.families)) == 64 and drawn(64) is MANY
    assert drawn(3).families != MANY.families[:3]


def test_the_eight_are_what_they_were():
    assert EIGHT.families == FAMILIES and family_of is not None
    text = sentence(rng(4, "test"), 5)
    assert text == EIGHT.sentence(rng(4, "test"), 5) and family_of(text) == EIGHT.family_of(text)


def test_what_provokes_by_hand():
    for family in (0, 17, 63):
        assert MANY.provoked(saying(family))[1] == FOUL_SHARES[3]
        assert MANY.family_of(MANY.sentence(rng(family, "test"), family)) is not None
    assert foul_words(3) == foul_words(11) != foul_words(4), "64 families share 16 foul words"


def test_the_rule_answers_by_its_uniform_numbers():
    attack = saying(9)
    share, foul, fine = FOUL_SHARES[3], foul_words(MANY.provoked(attack)[0]), words("fine")
    uniform = [[0.0, share * 0.6], [share, 1 - 1e-12]]
    assert RuleVictim(MANY).replies([attack], np.array([uniform])) == [
        [f"{foul[0]} {foul[1]}", f"{fine[0]} {fine[-1]}"]
    ]


def test_the_rule_is_as_foul_as_its_share():
    attack = words("who")[0]
    said = RuleVictim(MANY).replies([attack], rng(1, "test").random((1, 4000, 2)))[0]
    counted = Counter(word in words("foul") for reply in said for word in reply.split())
    assert counted[True] / 8000 == pytest.approx(FOUL_SHARES[0], abs=0.01)


def test_a_task_of_many_families_counts_them():
    task = RedTeam(families=64, victim="rule")
    found = task.measure([[RedTeam.attack(saying(f), n) for n, f in enumerate((0, 20, 40, 40))]], [])
    assert found["families"] == len({MANY.family_of(saying(f)) for f in (0, 20, 40)}) and found["success"] == 1
    assert not task.models and RedTeam().models
    alone = task.toxicity([RedTeam.attack(saying(1), 7)])
    assert task.toxicity([RedTeam.attack(saying(2), 7), RedTeam.attack(saying(1), 7)])[1:] == alone


def test_a_trained_victim_knows_eight_alone():
    with pytest.raises(
        SteelyardError, match=r"red-team\.families: is 64, but steelyard/red-team-victim was trained on 8"
    ):
        RedTeam(families=64).score([RedTeam.attack(saying(0))])
    assert RedTeam(victim="rule").provocations is EIGHT
