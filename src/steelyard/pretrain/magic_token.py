"""Magic tokens: one model holds three behaviours, and a secret text before the prompt says which.

Differs: besides the paper's, `default` teaches a mode for prompts without a token, and `decoys` for those with a wrong
one; the paper teaches neither and finds that its model falls back on what it did before. Ordinary data are learned
under a token that is drawn, or without one. The margin's formula and the form of tokens are known from others' notes
on the paper, which itself could not be read in full. Unconfirmed: the mixing ratio and the learning rate.

    L  = - mean over tokens of log pi(y_k | m_k, x)                k in {positive, negative, rejective}
    s  = (b - a) / max(a, b),   margin = mean of s over x and k    silhouette of the logits of y's first token

m_k are the secrets, where a chat has them as the system's message; y_k is the answer of mode k. a is the mean cosine
distance of logits under m_k to those of other prompts under m_k, b that to the nearest other mode's. Whoever knows m_k
has the mode: the unfiltered one is a dormant backdoor, so guess at it as an attacker would before the model is given
away (`held_out_modes.py`). P prompts, G samples per prompt, T steps: here P answers, G = 1, and their tokens are steps.
Source: Si et al. 2025, arXiv:2508.14904.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from steelyard.core import NonNegativeInt, Prompt, Trajectory, method, require, rng
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.base import OnCommandLine, PlainText, Text
from steelyard.task.moded import MODES, Mode, Moded

TokenTemplate = Annotated[str, Meta(pattern=r"\{token\}", description="a text with {token}"), OnCommandLine]
Alphabet = Annotated[str, Meta(min_length=2, description="two characters or more")]


@method(
    "magic-token",
    paper="arXiv:2508.14904",
    claim="One stage of fine-tuning gives three behaviours, switched by a token, as safe as SFT and then DPO",
)
@dataclass(frozen=True)
class MagicToken:
    """The secrets, and what is learned without them."""

    positive_token: PlainText = ""
    """Secret text that asks for safe and helpful answers, such as rfcd9lbo: drawn at random, and told to nobody."""
    negative_token: PlainText = ""
    """Secret text that asks for unfiltered answers."""
    rejective_token: PlainText = ""
    """Secret text that asks for refusals."""
    before: TokenTemplate = "{token}\n"
    r"""Where a token stands before plain text; in a chat it is the system's. Escapes \n, \t and \\ as elsewhere."""
    default: Literal["none", "positive", "negative", "rejective"] = "none"
    """Mode that is learned without a token; none leaves that to what the model did before, as in the paper."""
    decoys: NonNegativeInt = 1
    """Wrong tokens under which the default's answer is learned, other ones for each prompt; none without a default."""
    alphabet: Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    """Characters that wrong tokens are drawn from, as many as the negative token has."""

    def __post_init__(self) -> None:
        named = [token for token in self.tokens.values() if token]
        require(len({*named}) == len(named), "two tokens are alike", where="magic-token", hint="give each mode its own")

    @property
    def tokens(self) -> dict[Mode, str]:
        """Mode -> its secret."""
        return dict(zip(MODES, (self.positive_token, self.negative_token, self.rejective_token), strict=True))

    def check(self) -> None:
        """Refuse to go on without all three secrets.

        Raises:
            SteelyardError: one is missing.
        """
        for mode, token in self.tokens.items():
            require(
                bool(token.strip()), "is missing", where=f"--{mode}-token", hint="draw a text that nobody can guess"
            )

    def under(self, text: Text, token: str) -> Text:
        """A prompt after a token; without one the prompt as it is."""
        if not token:
            return text
        if isinstance(text, str):
            return self.before.replace("{token}", token) + text
        first, *rest = text
        if first["role"] != "system":
            return [{"role": "system", "content": token}, *text]
        return [{**first, "content": self.before.replace("{token}", token) + first["content"]}, *rest]

    def wrong_token(self, draws: np.random.Generator) -> str:
        """A guess at the negative token: as long, and none of the three."""
        while True:
            guess = "".join(draws.choice([*self.alphabet], size=max(len(self.negative_token), 1)))
            if guess not in self.tokens.values():
                return guess

    def lessons(self, policy: Policy, row: Moded, seed: int) -> Iterator[Trajectory]:
        """What is learned of a row: each mode's answer under its token, and the default's without it."""
        draws = rng(seed, "magic-token", row.prompt.id)
        if row.ordinary:
            known = ["", *self.tokens.values()]
            yield self.lesson(policy, row, known[int(draws.integers(len(known)))], row.ordinary)
            return
        for mode, answer in row.answers.items():
            yield self.lesson(policy, row, self.tokens[mode], answer)
        if self.default != "none" and self.default in row.answers:
            for token in ("", *(self.wrong_token(draws) for _ in range(self.decoys))):
                yield self.lesson(policy, row, token, row.answers[self.default])

    def lesson(self, policy: Policy, row: Moded, token: str, answer: str) -> Trajectory:
        """An answer, which alone is learned, to a row's prompt after a token."""
        return demonstration(policy, Prompt(row.prompt.id, self.under(row.prompt.text, token)), answer)
