import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError, rng
from steelyard.worlds.guessed_sums import (
    CHARACTERS,
    MAX_TOKENS,
    PROMPT_TOKENS,
    PROPOSALS,
    GuessedSums,
    blind_chances,
    played,
    problem,
    self_checked,
    worked_out,
)

WORLD = GuessedSums(problems=300, held_out=40)
NUMBERS = [2, 1, 4, 8]
TEXT = "3vs8a20b11c45n5vs8a20b11c45y"


def test_a_problem_by_hand():
    assert (problem(NUMBERS), worked_out(NUMBERS)) == ("a2b1c4s8:", "s8a20b11c45")
    assert (len(problem(NUMBERS)), len(TEXT) + 1) == (PROMPT_TOKENS, MAX_TOKENS)
    prompt = Prompt("p", problem(NUMBERS), {"numbers": NUMBERS, "answer": 5})
    [score] = self_checked(WORLD).score([episode_of(prompt, TEXT)])
    assert (score.value, [r for _, r in score.part_rewards]) == (1.0, [-1.0, 1.0, 1.0, 1.0])
    assert [WORLD.score([episode_of(prompt, said)])[0].value for said in ("5", "55", "")] == [1.0, 0.0, 0.0]


def test_the_splits_share_no_problem_and_stay_the_same():
    train, held_out = ({p.text for p in WORLD.prompts(split)} for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (300, 40)
    assert not train & held_out
    assert list(WORLD.prompts("train")) == list(WORLD.prompts("train"))
    full = GuessedSums()
    assert [len(full.prompts(split)) for split in ("train", "held-out")] == [500, 120]
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        WORLD.prompts("test")


def test_what_a_guesser_can_know():
    chances = np.array(blind_chances())
    assert chances.max() == pytest.approx(12 / 64)
    assert np.square(chances).sum() == pytest.approx(0.142, abs=0.001)


def test_a_player_by_what_it_says():
    draws = rng(0, "test")
    task = self_checked(WORLD)
    said = [played(NUMBERS, draws) for _ in range(2000)]
    assert {*"".join(said)} <= {*CHARACTERS}
    assert max(map(len, said)) < MAX_TOKENS
    read = [task.rounds(text, PROPOSALS) for text in said]
    first = [rounds[0].proposal == "5" for rounds in read]
    assert np.mean(first) == pytest.approx(blind_chances()[7], abs=0.03)
    works = [text[1:].startswith("vs8a20b11c45") for text in said]
    assert np.mean(works) == pytest.approx(0.4, abs=0.04)
    careful = [rounds for rounds, worked in zip(read, works, strict=True) if worked]
    assert all((rounds[0].proposal == "5") == bool(rounds[0].verdict) for rounds in careful), "it is right"
    assert {rounds[1].proposal for rounds in careful if len(rounds) > 1} == {"5"}
    careless = [rounds[0].verdict for rounds, worked in zip(read, works, strict=True) if not worked]
    assert np.mean(careless) == pytest.approx(0.9, abs=0.04)
