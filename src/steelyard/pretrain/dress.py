"""DRESS: what was said of a response is a condition of its likelihood: a critique before it, refinements between turns.

Differs: text alone; the paper's models see images, which its way of learning does not touch. Unconfirmed, as only
abstract and page could be read: that a score from 1 to 4 stands beside a critique; where the condition stands (here
before the prompt); its wording; the share of plain instruction data in the mixture (here none); and whether the prompt
of a refined response is conditioned (here it is not).

    critique      - log pi(y | c(s, k), x)                          good and bad responses alike
    refinement    - log pi(y_2, y_3, ... | x, y_1, f_1, f_2, ...)   each y after all before; y_1 and f are only read
    L             = mean of both over the tokens of what is learned

At the end one asks with c(s*, k*), the best score and its critique. x is a prompt, y a response, s its score, k its
critique, f what to change. Conditioned likelihood learns from feedback that has no gradient: who ignores the condition
imitates all responses, bad ones too; who reads it can leave the bad ones to their conditions. With `phf` the condition
is one of two tags and a token of its own. P prompts, G samples per prompt, T steps: here P rows, G = 1, and the tokens
of learned responses are steps.
Source: Chen et al. 2023, arXiv:2311.10081.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from steelyard.core import Prompt, Trajectory, method
from steelyard.learner import demonstration
from steelyard.learner.demonstrations import end_of, given
from steelyard.policy import Policy
from steelyard.policy.text import is_prefill, with_turn
from steelyard.task.base import OnCommandLine, Text
from steelyard.task.critiqued import Critiqued

ScoreTemplate = Annotated[str, Meta(pattern=r"\{score\}", description="a text with {score}"), OnCommandLine]
CritiqueTemplate = Annotated[str, Meta(pattern=r"\{critique\}", description="a text with {critique}"), OnCommandLine]
FeedbackTemplate = Annotated[str, Meta(pattern=r"\{feedback\}", description="a text with {feedback}"), OnCommandLine]


class Told(NamedTuple):
    """What is said of how good a response is: its condition."""

    score: float | None = None
    critique: str = ""


@method(
    "dress",
    paper="arXiv:2311.10081",
    claim="Critiques and refinements as conditions: 10 % more helpful, 12 % more honest, 21 % more harmless responses",
)
@dataclass(frozen=True)
class DRESS:
    """How feedback becomes the condition of responses."""

    critiques: bool = True
    """Put the text of a critique into the condition; else the score alone."""
    refinements: bool = True
    """Learn the responses that came of refinements, too."""
    score: ScoreTemplate = "Score: {score}\n"
    r"""Text before a prompt that says the score. On the command line \n, \t and \\ are a line break, a tab and a
    backslash."""
    critique: CritiqueTemplate = "Critique: {critique}\n"
    """Text after it that says the critique. Escapes as in --score."""
    feedback: FeedbackTemplate = "\n{feedback}\n"
    """Text between two responses that says what to change; in a chat the bare feedback is a user's message."""

    def conditioned(self, text: Text, told: Told) -> Text:
        """A prompt under a condition, which in a chat stands in the last message that is not the model's own."""
        before = "" if told.score is None else self.score.replace("{score}", f"{told.score:g}")
        if self.critiques and told.critique:
            before += self.critique.replace("{critique}", told.critique)
        if isinstance(text, str):
            return before + text
        at = len(text) - 1 - int(is_prefill(text))
        return [{**one, "content": before + one["content"]} if i == at else one for i, one in enumerate(text)]

    def rates(self, row: Critiqued) -> bool:
        """Whether a row's response has a condition."""
        return row.score is not None or (self.critiques and bool(row.critique))

    def lessons(self, policy: Policy, row: Critiqued) -> Iterator[Trajectory]:
        """What is learned of a row: its response under its condition, and those that came of refinements."""
        if self.rates(row):
            yield self.response(policy, row, Told(row.score, row.critique))
        if self.refinements and row.turns:
            yield self.refined(policy, row.prompt, row.response, row.turns)

    def response(self, policy: Policy, row: Critiqued, told: Told) -> Trajectory:
        """A row's response, which alone is learned, under a condition."""
        text = self.conditioned(row.prompt.text, told)
        return demonstration(policy, Prompt(row.prompt.id, text), row.response)

    def refined(self, policy: Policy, prompt: Prompt, response: str, turns: Sequence[tuple[str, str]]) -> Trajectory:
        """The responses that followed a first one, each after what was to be changed; these are learned."""
        end = end_of(policy, prompt.text)
        messages = None if isinstance(prompt.text, str) else prompt.text
        tokens = [*policy.encode(prompt.text), *_said(policy, response), end]
        action = [False] * len(tokens)
        before = response
        for told, said in turns:
            observed = policy.encode_next(messages, self._observed(messages, told), end)
            after = [*_said(policy, said), end]
            tokens = [*tokens, *observed, *after]
            action = [*action, *[False] * len(observed), *[True] * len(after)]
            if messages is not None:
                messages = [*with_turn(messages, before), {"role": "user", "content": told}]
            before = said
        return given(prompt.id, tokens, [], reward=1.0).replace(action_T=np.array(action, bool))

    def _observed(self, messages: object, told: str) -> str:
        return told if messages is not None else self.feedback.replace("{feedback}", told)


def _said(policy: Policy, text: str) -> list[int]:
    return policy.tokenizer.encode(text, add_special_tokens=False)
