"""What pretraining is measured by: the loss of held-out documents, and samples, scored where there is a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Request, Sampling, Trajectory
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.document_file import DocumentFile
from steelyard.rollout import engine_for

_STREAM = 0x7E47
"""Parts the samples' randomness from everything else that the seed draws."""


@dataclass(frozen=True)
class HeldOutText:
    """Measures a policy as it is."""

    policy: Policy
    held_out: Sequence[Trajectory]
    """Held-out documents; their actions are what is counted."""
    begun: Sequence[int]
    """Tokens that samples begin with."""
    samples: int
    max_tokens: int
    seed: int
    scorer: DocumentFile | None
    """Scores samples; None where nothing can."""

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and the samples."""
        row: JsonObject = {}
        if self.held_out:
            row["eval/held_out_loss"] = held_out_loss(self.policy, self.held_out)
        texts = self._sampled()
        scores = self.scorer.score(texts) if self.scorer else [None] * len(texts)
        known = [score for score in scores if score is not None]
        if known:
            row["eval/sample_score"] = sum(known) / len(known)
        asked = self.policy.tokenizer.decode([*self.begun], skip_special_tokens=False)
        rows = [{"prompt": asked, "completion": text} for text in texts]
        if self.scorer is None:
            return row, rows
        return row, [{**sample, "score": score} for sample, score in zip(rows, scores, strict=True)]

    def _sampled(self) -> list[str]:
        asked = [Request("sample", tuple(self.begun), i) for i in range(self.samples)]
        drawn = engine_for(self.policy, self.seed ^ _STREAM).generate(asked, Sampling(max_tokens=self.max_tokens))
        return [self.policy.decode(t.completion_T) for t in sorted(drawn, key=lambda t: t.sample)]


def held_out_loss(policy: Policy, trajectories: Sequence[Trajectory]) -> float:
    """Minus the mean log-probability of an action (nats a token)."""
    return float(-total_logp(policy, trajectories).sum() / num_actions(trajectories).sum())


def text_alone(trajectory: Trajectory, tags: Sequence[int]) -> Trajectory:
    """The trajectory with its tags no longer actions: they are read, and not counted."""
    return trajectory.replace(action_T=trajectory.action_T & ~np.isin(trajectory.tokens_T, tags))
