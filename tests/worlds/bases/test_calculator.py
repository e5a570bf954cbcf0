"""The base model of the calculator: made again bit for bit, and its tokens are those of its chat template."""

from pathlib import Path

import numpy as np

from steelyard.policy import Policy
from steelyard.task import Calculator
from steelyard.task.calculator import question
from steelyard.worlds.bases.calculator import CalculatorBase, call, new_policy


def test_two_steps_are_made_again_bit_for_bit(tmp_path: Path) -> None:
    def made(name: str, **settings: int) -> np.ndarray:
        base = CalculatorBase(str(tmp_path / name), skill_steps=1, habit_steps=1, batch=4, **settings)
        return Policy.load(base()["model"]).weights()

    first = made("first")
    assert np.array_equal(made("again"), first)
    assert not np.array_equal(made("other", seed=1), first)


def test_what_it_learns_from_is_what_the_template_writes() -> None:
    policy = new_policy(0)
    policy.chat_options = {"tools": [*Calculator().tools]}
    for episode in (t for (t,) in CalculatorBase(batch=8)._batch(0, policy, 1.0)):
        a, _, b = episode.prompt_id.partition("*")
        asked = question(int(a), int(b))
        turn = policy.tokenizer.encode(call(episode.prompt_id), add_special_tokens=False)
        told = [{"role": "tool", "name": "calculate", "content": asked.columns["answer"]}]
        begun = [*policy.encode(asked.text), *turn, 1, *policy.encode_next(asked.text, told, 1)]
        answer = policy.tokenizer.encode(asked.columns["answer"], add_special_tokens=False)
        assert episode.tokens_T.tolist() == [*begun, *answer, 1]
        assert episode.action_T.sum() == len(turn) + len(answer) + 2
