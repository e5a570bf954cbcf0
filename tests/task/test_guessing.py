"""The guessing game: what its environment answers, what halving and blindness are worth, and its splits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Prompt, Score
from steelyard.task import Guessing
from steelyard.task.guessing import HIGHEST, LOWEST, NUMBERS, Game, best_blind_score, lows, range_text

TASK = Guessing()


def game(number, low=12):
    game = TASK.environment(Prompt("p", range_text(low), {"number": number}), 0)
    assert game.reset(Prompt("p", range_text(low), {"number": number})) == "12-26:"
    return game


def last(guess, value):
    return Score(value, read=guess, read_from="last guess")


def test_a_game_by_hand():
    one = game(21)
    assert [one.step(guess) for guess in ("19", "23", "21")] == ["higher ", "lower ", last("21", 1.0)]
    late = game(21)
    assert [late.step(guess) for guess in ("12", "13", "14", "15")] == ["higher "] * 3 + [last("15", 0.0)]
    assert [game(21).step(text) for text in ("", "19x", "-21", "2" * 40, "٢١")] == [Score(0.0)] * 5
    assert game(21).truncate("2") == Score(0.0)


@given(st.integers(0, NUMBERS - 1))
def test_halving_finds_every_number(place):
    low, high, answer = 12, 12 + NUMBERS - 1, ""
    one = game(low + place)
    while isinstance(answer, str):
        guess = (low + high) // 2
        answer = one.step(str(guess))
        low, high = (guess + 1, high) if answer == "higher " else (low, guess - 1)
    assert answer == last(str(guess), 1.0)


def test_blindness_is_worth_little():
    """By trying every set of four guesses; and no player without answers can be better than the best of these."""
    assert best_blind_score() == pytest.approx(4 / 15)
    assert best_blind_score(1, 3) == pytest.approx(1 / 3)
    assert best_blind_score(3, 3) == 1.0


def test_splits_share_no_range():
    train, held_out = lows("train"), lows("held-out")
    assert sorted(train + held_out) == [*range(LOWEST, HIGHEST - NUMBERS + 2)]
    assert len(held_out) >= 10
    prompts = TASK.prompts("held-out")
    assert len({prompt.id for prompt in prompts}) == len(prompts) == NUMBERS * len(held_out)
    assert all(str(prompt.columns["number"]) not in str(prompt.text).split(":")[1] for prompt in prompts)


def test_styles():
    assert TASK.style("19higher 23lower 21") == "halving"
    assert TASK.style("12higher 13") == "counting"
    assert TASK.style("12higher 20") == "other"
    assert TASK.style("12") == "one guess"
    assert isinstance(TASK.environment(Prompt("p", "", {}), 0), Game)
