import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError, rng
from steelyard.worlds.guessed_sums import (
    CHARACTERS,
    MAX_TOKENS,
    PROMPT_TOKENS,
    PROPOSALS,
    WORLD,
    GuessedSums,
    base,
    played,
    problem,
    self_checked,
    worked_out,
)

TASK = GuessedSums(problems=300, held_out=40)
NUMBERS = [2, 7, 4, 1]
TEXT = "1vs1a21b70c40n0vs1a21b70c40y"


def test_a_problem_by_hand():
    assert (problem(NUMBERS), worked_out(NUMBERS)) == ("a2b7c4s1:", "s1a21b70c40")
    assert (len(problem(NUMBERS)), len(TEXT) + 1) == (PROMPT_TOKENS, MAX_TOKENS)
    prompt = Prompt("p", problem(NUMBERS), {"numbers": NUMBERS, "answer": 0})
    [score] = self_checked(TASK).score([episode_of(prompt, TEXT)])
    assert (score.value, [r for _, r in score.part_rewards]) == (1.0, [-1.0, 1.0, 1.0, 1.0])
    assert [TASK.score([episode_of(prompt, said)])[0].value for said in ("0", "00", "1", "")] == [1.0, 0.0, 0.0, 0.0]


def test_the_splits_share_no_problem_and_stay_the_same():
    train, held_out = ({p.text for p in TASK.prompts(split)} for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (300, 40)
    assert not train & held_out
    assert list(TASK.prompts("train")) == list(TASK.prompts("train"))
    most = GuessedSums(problems=1000, held_out=200)
    assert [len(most.prompts(split)) for split in ("train", "held-out")] == [1000, 200]
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_half_of_the_answers_are_odd():
    answers = [p.columns["answer"] for p in GuessedSums().prompts("train")]
    assert np.mean(answers) == pytest.approx(0.5, abs=0.05)


def test_a_player_by_what_it_says():
    draws = rng(0, "test")
    task = self_checked(TASK)
    said = [played(NUMBERS, draws) for _ in range(20_000)]
    assert {*"".join(said)} <= {*CHARACTERS}
    assert max(map(len, said)) < MAX_TOKENS
    read = [task.rounds(text, PROPOSALS) for text in said]
    assert np.mean([rounds[0].proposal == "0" for rounds in read]) == pytest.approx(0.5, abs=0.015)
    works = [text[1:].startswith("vs1a21b70c40") for text in said]
    assert np.mean(works) == pytest.approx(0.3, abs=0.015)
    careful = [rounds for rounds, worked in zip(read, works, strict=True) if worked]
    assert all((rounds[0].proposal == "0") == bool(rounds[0].verdict) for rounds in careful), "it is right"
    assert {rounds[1].proposal for rounds in careful if len(rounds) > 1} == {"0"}
    careless = [rounds[0].verdict for rounds, worked in zip(read, works, strict=True) if not worked]
    assert np.mean(careless) == pytest.approx(0.7, abs=0.015)


def test_the_base_model_reads_a_whole_generation():
    policy = base(WORLD.task(900), 900, steps=2)
    assert len(policy.encode(problem(NUMBERS) + TEXT)) + 1 == PROMPT_TOKENS + MAX_TOKENS
