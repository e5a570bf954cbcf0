"""The base model of the guessing game: made again bit for bit, and shipped with a skill that is there but not used."""

from pathlib import Path

import numpy as np
import pytest

from steelyard.core import Request, Sampling
from steelyard.learner.demonstrations import end_of
from steelyard.policy import Policy
from steelyard.rollout import Codec, Episodes, engine_for
from steelyard.task import Guessing
from steelyard.task.guessing import lows, range_text
from steelyard.worlds.bases.guessing import HABIT, MIXED, SKILL, GuessingBase, new_policy

GREEDY = Sampling(0.0, 4)


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return Policy.load("steelyard/guessing")


def test_three_steps_are_made_again_bit_for_bit(tmp_path: Path) -> None:
    def made(name: str, **settings: int) -> np.ndarray:
        base = GuessingBase(str(tmp_path / name), skill_steps=1, mixed_steps=1, habit_steps=1, batch=6, **settings)
        return Policy.load(base()["model"]).weights()

    first = made("first")
    assert np.array_equal(made("again"), first)
    assert not np.array_equal(made("other", seed=1), first)
    assert not np.array_equal(new_policy(0).weights(), first)


def test_games_are_played_in_the_shares_of_their_phase() -> None:
    policy = new_policy(0)
    base = GuessingBase(skill_steps=5, mixed_steps=3, batch=256)
    for step, shares in ((0, SKILL), (5, MIXED), (8, HABIT)):
        games = [trajectory for (trajectory,) in base._batch(step, policy)]
        assert sum(shares.values()) == pytest.approx(1)
        middle = [_first_guess(policy, t.tokens_T, t.action_T) == int(t.prompt_id.split("-")[0]) + 7 for t in games]
        expected = shares["halving"] + shares["random"] / 15
        assert abs(np.mean(middle) - expected) < 5 * np.sqrt(expected * (1 - expected) / 256)


def _first_guess(policy: Policy, tokens_T: np.ndarray, action_T: np.ndarray) -> int:
    """The first turn of a game; a guess has as many tokens as digits, and the token that ends it."""
    begin = int(action_T.argmax())
    end = begin + tokens_T[begin:].tolist().index(end_of(policy))
    return int(policy.decode(tokens_T[begin:end].tolist()))


def test_the_shipped_one_finds_few_held_out_numbers(shipped: Policy) -> None:
    """Below 40 % when greedy; a player who ignores the answers can have 26.7 %."""
    task = Guessing()
    asked = [(prompt, 0) for prompt in task.prompts("held-out")]
    games = list(Episodes(engine_for(shipped, 0), Codec.of(shipped), task).play(asked, GREEDY))
    assert len(games) == len(asked)
    found = [episode.outcome is not None and episode.outcome.value == 1.0 for episode in games]
    assert 0.15 < np.mean(found) < 0.4


def test_the_shipped_one_halves_when_its_first_guess_was_the_middle(shipped: Policy) -> None:
    """The skill is there: with the middle put in its mouth, its second guess is that of halving."""
    right = []
    for answer, second in (("higher ", 11), ("lower ", 3)):
        tokens = {
            str(low): (
                *shipped.encode(range_text(low)),
                *shipped.tokenizer.encode(str(low + 7), add_special_tokens=False),
                end_of(shipped),
                *shipped.tokenizer.encode(answer, add_special_tokens=False),
            )
            for low in lows("held-out")
        }
        requests = [Request(low, told, 0) for low, told in tokens.items()]
        turns = engine_for(shipped, 0).generate(requests, GREEDY)
        right += [shipped.decode(t.completion_T) == str(int(t.prompt_id) + second) for t in turns]
    assert np.mean(right) > 0.9
