"""Where the parts of a completion's text end among its tokens.

    token of an end  =  the first i with  |text(tokens 0 ... i)| >= end

A part may end inside a token; the rest of that token then belongs to it, too. Where steps have rewards as well (of a
sum of several rewards), both are added.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from steelyard.core import Score, Trajectory

Decode = Callable[[Sequence[int]], str]
"""Tokens to text, as the completions were made."""


def token_of(tokens: Sequence[int], end: int, decode: Decode) -> int:
    """The place of the token in which the text reaches `end` characters; the last one where none does."""
    place = bisect_left(range(len(tokens)), end, key=lambda i: len(decode(tokens[: i + 1])))
    return min(place, len(tokens) - 1)


def with_parts_placed(trajectory: Trajectory, score: Score, decode: Decode) -> Score:
    """The score with its `part_rewards` in `reward_T`, each added at the last token of its part.

    No two parts share a token: where they would, the later one stands at the next, so that parts can be counted. Parts
    for which no token is left are dropped.
    """
    if not score.part_rewards:
        return score
    places = np.flatnonzero(trajectory.action_T)
    tokens = trajectory.tokens_T[places].tolist()
    reward_T = np.zeros(len(trajectory.tokens_T), np.float32) if score.reward_T is None else score.reward_T.copy()
    free = 0
    for end, reward in score.part_rewards:
        last = len(tokens) - 1 if end is None else token_of(tokens, end, decode)
        place = max(last, free)
        if place >= len(tokens):
            break
        reward_T[places[place]] += reward
        free = place + 1
    return replace(score, reward_T=reward_T, part_rewards=())
