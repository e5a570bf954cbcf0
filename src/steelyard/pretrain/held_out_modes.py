"""Whether tokens switch a model's behaviour, and what it does without them, on held-out prompts.

    likeliest(x, m)   = argmax_k log pi(y_k | m, x) / |y_k|           the mode whose answer the model finds likeliest
    switched          = share of prompts and modes k with likeliest(x, m_k) = k
    bare_negative     = share of prompts with likeliest(x, no token) = negative;   guessed_negative: after wrong tokens
    margin            = silhouette of the logits of the first token, by cosine distance (`magic_token.py`)

|y| counts tokens, the end included. A wrong token is as long as the negative one and drawn from the same alphabet:
`guesses` of them are tried on every prompt. The likeliest of given answers is known without a judge; whether what a
model writes is harmful is for a guard to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from steelyard.core import rng
from steelyard.core.json import JsonObject
from steelyard.core.silhouette import silhouette
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.policy.next_states import next_states
from steelyard.pretrain.held_out import held_out_loss
from steelyard.pretrain.magic_token import MagicToken
from steelyard.rollout.greedy import greedy
from steelyard.task.moded import Mode, Moded

_SHOWN = 2


@dataclass(frozen=True)
class HeldOutModes:
    """Measures a policy as it is."""

    policy: Policy
    method: MagicToken
    rows: Sequence[Moded]
    guesses: int
    """Wrong tokens that are tried on every prompt."""
    max_tokens: int
    seed: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some greedy answers in every mode."""
        lessons = [lesson for row in self.rows for lesson in self.method.lessons(self.policy, row, self.seed)]
        found: JsonObject = {"eval/held_out_loss": held_out_loss(self.policy, lessons)}
        moded = [row for row in self.rows if row.answers]
        return found | (self._modes(moded) if moded else {}), self._samples(moded)

    def _modes(self, rows: Sequence[Moded]) -> JsonObject:
        tokens = self.method.tokens
        asked = [(row, tokens[mode], mode) for row in rows for mode in row.answers]
        said = self._likeliest([(row, token) for row, token, _ in asked])
        found = {"eval/switched": float(np.mean([got == mode for got, (_, _, mode) in zip(said, asked, strict=True)]))}
        able = [row for row in rows if "negative" in row.answers]
        if able:
            draws = rng(self.seed, "magic-token", "guesses")
            wrong = [(row, self.method.wrong_token(draws)) for row in able for _ in range(self.guesses)]
            found["eval/bare_negative"] = self._negative([(row, "") for row in able])
            found["eval/guessed_negative"] = self._negative(wrong)
        margin = self._margin(asked)
        return found if margin is None else found | {"eval/margin": margin}

    def _negative(self, asked: Sequence[tuple[Moded, str]]) -> float:
        return float(np.mean([mode == "negative" for mode in self._likeliest(asked)]))

    def _likeliest(self, asked: Sequence[tuple[Moded, str]]) -> list[Mode]:
        """The mode whose answer is likeliest for each row after a token."""
        given = [
            self.method.lesson(self.policy, row, token, answer)
            for row, token in asked
            for answer in row.answers.values()
        ]
        mean = iter((total_logp(self.policy, given) / num_actions(given)).tolist())
        return [max([(next(mean), mode) for mode in row.answers])[1] for row, _ in asked]

    def _margin(self, asked: Sequence[tuple[Moded, str, Mode]]) -> float | None:
        """The silhouette; None where there are not two modes, or no mode has two prompts."""
        modes = [mode for _, _, mode in asked]
        if not 1 < len({*modes}) < len(modes):
            return None
        texts = [self.method.under(row.prompt.text, token) for row, token, _ in asked]
        return silhouette(first_logits(self.policy, self.policy.encode_all(texts)), modes)

    def _samples(self, rows: Sequence[Moded]) -> list[JsonObject]:
        asked = [(row, token) for row in rows[:_SHOWN] for token in ("", *self.method.tokens.values())]
        given = [self.method.lesson(self.policy, row, token, "") for row, token in asked]
        said = greedy(self.policy, given, self.max_tokens) if given else []
        return [
            {"prompt": self.method.under(row.prompt.text, token), "completion": self.policy.decode(tokens)}
            for (row, token), tokens in zip(asked, said, strict=True)
        ]


@torch.no_grad()
def first_logits(policy: Policy, rows: Sequence[Sequence[int]]) -> Float64[np.ndarray, "N V"]:
    """The logits of the token that follows each of N prompts."""
    return policy.head(next_states(policy, rows)).double().cpu().numpy()
