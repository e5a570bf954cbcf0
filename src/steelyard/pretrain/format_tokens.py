"""Tokens of form, such as headers and the end of a turn: in completions, but not what is compared of them.

Both sides of a pair have them in common, so a contrast would have them become likelier and less likely at once, and a
model comes to end too soon, or not at all. Left out, they stay in the context of what follows.
Source: Dubey et al. 2024, arXiv:2407.21783, section 4.1.4.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steelyard.core import Trajectory
from steelyard.policy import Policy


def format_ids(policy: Policy) -> frozenset[int]:
    """The ids of the tokenizer's special tokens and of all that ends a completion; an unknown word is none of them."""
    tokenizer: Any = policy.tokenizer
    added: Mapping[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    special = {*getattr(tokenizer, "all_special_ids", ()), *(id for id, token in added.items() if token.special)}
    return frozenset((special - {getattr(tokenizer, "unk_token_id", None)}) | {*policy.eos_ids})


def without_format(pair: Sequence[Trajectory], ids: frozenset[int]) -> list[Trajectory]:
    """The trajectories, in which tokens of these ids are read and not learned."""
    return [t.replace(action_T=t.action_T & ~np.isin(t.tokens_T, [*ids])) for t in pair]
