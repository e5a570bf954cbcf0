"""Rewards of parts of a text, placed at tokens."""

import numpy as np
import pytest

from steelyard.core import Sampling, Score, Trajectory
from steelyard.searcher.text_parts import token_of, with_parts_placed

PIECES = ["<prompt>", "ab", "c", "def", ""]
"""Texts of tokens; the last one ends a completion and has none."""


def decode(tokens):
    return "".join(PIECES[i] for i in tokens)


def trajectory(*tokens, prompt=1):
    tokens_T = np.array([*[0] * prompt, *tokens], np.int32)
    action_T = np.arange(len(tokens_T)) >= prompt
    return Trajectory("p", tokens_T, action_T, np.zeros(len(tokens_T), np.float32), 0, "", Sampling(), "stop")


def placed(score, *tokens):
    return with_parts_placed(trajectory(*tokens), score, decode).reward_T.tolist()


@pytest.mark.parametrize(("end", "place"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (6, 2), (99, 3)])
def test_the_token_of_an_end(end, place):
    assert token_of([1, 2, 3, 4], end, decode) == place


def test_parts_end_at_their_tokens_and_the_last_with_what_ends_the_completion():
    assert placed(Score(1.0, part_rewards=((2, -1.0), (3, 1.0), (None, 0.5))), 1, 2, 3, 4) == [0, -1, 1, 0, 0.5]


def test_parts_of_one_token_stand_at_the_next_and_those_without_one_are_dropped():
    assert placed(Score(1.0, part_rewards=((1, -1.0), (2, 1.0), (3, 0.5))), 1, 2, 3) == [0, -1, 1, 0.5]
    assert placed(Score(1.0, part_rewards=((1, -1.0), (2, 1.0))), 1) == [0, -1]


def test_rewards_of_parts_and_of_steps_are_added():
    assert placed(Score(1.0, reward_T=np.ones(4, np.float32), part_rewards=((2, -1.0), (None, 0.5))), 1, 2, 3) == [
        1,
        0,
        1,
        1.5,
    ]


def test_a_score_without_parts_is_as_it_was():
    score = Score(1.0, reward_T=np.ones(2, np.float32))
    assert with_parts_placed(trajectory(1), score, decode) is score
    empty = with_parts_placed(trajectory(), Score(1.0, part_rewards=((None, 1.0),)), decode)
    assert (empty.reward_T.tolist(), empty.part_rewards) == ([0.0], ())
