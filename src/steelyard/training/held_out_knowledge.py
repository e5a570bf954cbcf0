"""Measures a model that answers with passages beside the question, on held-out questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steelyard.core import Request, Sampling, Trajectory
from steelyard.core.json import JsonObject
from steelyard.data.bm25 import Index
from steelyard.data.kard import KARD
from steelyard.data.late_interaction import LateInteraction
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.pretrain.held_out import held_out_loss
from steelyard.rollout import engine_for
from steelyard.training.knowledge_rows import Reasoned, ReasonedFile

_STREAM = 0x4A2D
"""Parts the votes' randomness from everything else that the seed draws."""
SHOWN = 4


def written(policy: Policy, kard: KARD, asked: Sequence[Trajectory], *, max_tokens: int, seed: int) -> list[list[str]]:
    """What the model writes to each prompt: as many rationales with answers as are voted with."""
    temperature = kard.vote_temperature if kard.votes > 1 else 0.0
    prompts = [tuple(t.tokens_T[~t.action_T].tolist()) for t in asked]
    requests = [Request(str(i), tokens, n) for i, tokens in enumerate(prompts) for n in range(kard.votes)]
    drawn = engine_for(policy, seed).generate(requests, Sampling(temperature=temperature, max_tokens=max_tokens))
    said = {(int(t.prompt_id), t.sample): policy.decode(t.completion_T) for t in drawn}
    return [[said[i, n] for n in range(kard.votes)] for i in range(len(asked))]


@dataclass(frozen=True)
class HeldOutKnowledge:
    """Held-out questions, and where their passages are looked for."""

    policy: Policy
    kard: KARD
    file: ReasonedFile
    index: Index
    rows: Sequence[Reasoned]
    reranker: LateInteraction | None
    max_tokens: int
    seed: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some answers to read."""
        found = [self.kard.found(self.index, row.question, self.reranker) for row in self.rows]
        asked = [self._asked(row, places) for row, places in zip(self.rows, found, strict=True)]
        said = written(self.policy, self.kard, asked, max_tokens=self.max_tokens, seed=self.seed ^ _STREAM)
        votes = [self.kard.vote(texts) for texts in said]
        right = [vote == one.answer.strip() for vote, one in zip(votes, self.rows, strict=True)]
        row = {
            "eval/accuracy": float(np.mean(right)),
            "eval/found": self._hits(found),
            "eval/found_bm25": self._hits([self.kard.found(self.index, one.question, None) for one in self.rows]),
            "eval/held_out_loss": held_out_loss(self.policy, asked),
        }
        shown = zip(self.rows[:SHOWN], said, votes, strict=False)
        return row, [
            {"prompt": one.question, "completion": texts[0], "vote": vote, "answer": one.answer}
            for one, texts, vote in shown
        ]

    def _asked(self, row: Reasoned, places: Sequence[int]) -> Trajectory:
        text = self.kard.asked(row.question, [self.index.texts[i] for i in places])
        return demonstration(self.policy, self.file.prompt_with(text, row), self.kard.taught(row.rationale, row.answer))

    def _hits(self, found: Sequence[Sequence[int]]) -> float:
        return float(np.mean([best in places for best, places in zip(self._best, found, strict=True)]))

    @cached_property
    def _best(self) -> list[int]:
        """Of each question, the place of the passage that its rationale finds."""
        return [self.index.best(row.rationale, 1)[0] for row in self.rows]
