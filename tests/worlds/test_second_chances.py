import itertools

import numpy as np
import pytest

from steelyard.core import Score
from steelyard.worlds.second_chances import CHANCES, DIGITS, KINDS, Chances, Player, SecondChances, expected_score

TASK = SecondChances()


def play(answer, *said):
    game = Chances(4)
    prompt = next(p for p in TASK.prompts("train") if p.columns["answer"] == answer)
    assert game.reset(prompt) == prompt.text
    return [game.step(digit) for digit in said]


def test_an_episode_by_hand():
    assert play("3", "5", "5", "3") == ["no", "no", Score(1.0, {"first": 0.0, "repeats": 1.0})]
    assert play("3", "3") == [Score(1.0, {"first": 1.0, "repeats": 0.0})]
    assert play("3", "1", "1", "2", "1")[-1] == Score(0.0, {"first": 0.0, "repeats": 2.0})


def test_a_turn_that_does_not_end_answers_nothing():
    game = Chances(4)
    game.reset(TASK.prompts("train")[0])
    assert game.truncate("12") == Score(0.0, {"first": 0.0, "repeats": 0.0})


def test_the_right_digit_is_a_candidate_with_its_chance():
    prompts = [*TASK.prompts("train"), *TASK.prompts("held-out")]
    ranks = [TASK.candidates(p.text[0]).index(p.columns["answer"]) for p in prompts]
    assert np.bincount(ranks, minlength=4) / len(ranks) == pytest.approx(CHANCES, abs=0.03)
    for kind in KINDS:
        assert len(set(TASK.candidates(kind))) == 4
        assert set(TASK.candidates(kind)) <= set(DIGITS)


def test_expected_scores_by_enumeration():
    def enumerated(turns):
        draws = itertools.product(range(4), repeat=turns)
        return sum(np.prod([CHANCES[d] for d in drawn]) * sum(CHANCES[c] for c in set(drawn)) for drawn in draws)

    assert expected_score(1) == pytest.approx(enumerated(1)) == pytest.approx(0.3)
    assert expected_score(4) == pytest.approx(enumerated(4)) == pytest.approx(0.7286)


def test_a_player_that_heeds_never_repeats():
    draws = np.random.default_rng(0)
    for _ in range(20):
        player = Player("4096", draws, heeds=True)
        assert sorted(player.turn("") for _ in range(4)) == ["0", "4", "6", "9"]
    careless = Player("4096", draws, heeds=False)
    assert len({careless.turn("") for _ in range(50)}) <= 4
