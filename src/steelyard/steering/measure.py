"""What a steering job measures: how likely held-out texts are, and some completions to read."""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Prompt, Request, Sampling
from steelyard.core.json import JsonObject
from steelyard.learner import given
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.rollout import engine_for

SHOWN = 4
"""Prompts whose completions are kept to read."""


@dataclass(frozen=True)
class Preference:
    """Measures a policy as it is, with the intervention that it has."""

    policy: Policy
    source: Sequence[str]
    """Held-out texts."""
    target: Sequence[str]
    """Likewise."""
    prompts: Sequence[Prompt]
    """What is completed to be read."""
    max_tokens: int
    """Most tokens of a completion."""
    seed: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and the completions."""
        source, target = (self._mean_logp(texts) for texts in (self.source, self.target))
        row = {"eval/source_logp": source, "eval/target_logp": target, "eval/preference": target - source}
        return row, self._samples()

    def _mean_logp(self, texts: Sequence[str]) -> float:
        """The log-probability of a token of these texts, all but each text's first (nats)."""
        rows = [self.policy.encode(text) for text in texts]
        given_rows = [given(f"{i}", row[:1], row[1:]) for i, row in enumerate(rows)]
        return float(total_logp(self.policy, given_rows).sum() / num_actions(given_rows).sum())

    def _samples(self) -> list[JsonObject]:
        shown = self.prompts[:SHOWN]
        asked = [Request(prompt.id, tuple(self.policy.encode(prompt.text)), 0) for prompt in shown]
        drawn = engine_for(self.policy, self.seed).generate(asked, Sampling(max_tokens=self.max_tokens))
        said = {t.prompt_id: self.policy.decode(t.completion_T) for t in drawn}
        return [{"prompt": prompt.text, "completion": said[prompt.id]} for prompt in shown]
