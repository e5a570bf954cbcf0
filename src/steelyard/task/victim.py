"""A victim: a small policy that answers many attacks at once, reproducibly for each attack.

    word w of reply r to attack n  =  the least v with  sum_{u <= v} pi(u | attack_n, words before) > uniform_nrw

N attacks, R replies to each, W words of a reply, V vocabulary. Equal prefixes are computed once. Replies are
short, so there is no KV cache. Attacks that are too long for the model lose their beginning.
`replier` serves models of any size with a KV cache. It sorts tokens by probability, so equal uniforms give other words.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.policy import Policy
from steelyard.policy.whole_rows import end_states


class Victim:
    """A policy, and the text between an attack and its reply."""

    def __init__(self, policy: Policy, answer: str) -> None:
        self.policy = policy
        self._answer = policy.tokenizer.encode(answer, add_special_tokens=False)

    def replies(self, attacks: Sequence[str], uniform_NRW: Float[np.ndarray, "N R W"]) -> list[list[str]]:
        """R replies to each of N attacks."""
        num_attacks, num_replies, num_words = uniform_NRW.shape
        most = self.policy.context_length - len(self._answer) - num_words
        encode = self.policy.tokenizer.encode
        begun = [[*encode(attack, add_special_tokens=False)[-most:], *self._answer] for attack in attacks]
        rows = [tuple(row) for row in begun for _ in range(num_replies)]
        for w in range(num_words):
            rows = self._extended(rows, uniform_NRW[:, :, w].reshape(-1))
        known = {said: self.policy.decode(said) for said in {row[-num_words:] for row in rows}}
        texts = [known[row[-num_words:]] for row in rows]
        return [texts[n * num_replies : (n + 1) * num_replies] for n in range(num_attacks)]

    def _extended(self, rows: list[tuple[int, ...]], uniform_M: np.ndarray) -> list[tuple[int, ...]]:
        """Each row with one more token."""
        places = {row: u for u, row in enumerate(dict.fromkeys(rows))}
        below_UV = self._probabilities([*places]).cumsum(1).cpu().numpy()
        below_MV = below_UV[[places[row] for row in rows]]
        drawn_M = (below_MV <= uniform_M[:, None]).sum(1).clip(max=below_UV.shape[1] - 1)
        return [(*row, int(token)) for row, token in zip(rows, drawn_M, strict=True)]

    @torch.no_grad()
    def _probabilities(self, rows: Sequence[tuple[int, ...]]) -> Float[Tensor, "U V"]:
        """The distribution of the next token after each row."""
        end_UD = end_states(self.policy, rows, [len(row) for row in rows])
        return torch.softmax(self.policy.head(end_UD).double(), -1)
