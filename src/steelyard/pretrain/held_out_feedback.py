"""Whether a model heeds feedback, on held-out rows.

    condition_auc     m = (log pi(y | c*, x) - log pi(y | c-, x)) / |y|, c* the best condition and c- the worst: how
                      well m tells the best responses from the worst (AUC); a half where no condition is read
    refinement_gain   mean of (log pi(y' | .., own f) - log pi(y' | .., another row's f)) / |y'|, y' the responses that
                      came of refinements f: nats a token, 0 where nobody reads what is to be changed

With a scorer also the mean score of greedy responses under both conditions, and that of responses before and after what
is to be changed. |y| counts tokens, the end included.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Episode, Prompt, Trajectory
from steelyard.core.auc import auc
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.dress import DRESS, Told
from steelyard.pretrain.held_out import held_out_loss
from steelyard.reward import FunctionReward
from steelyard.rollout.greedy import greedy
from steelyard.task.critiqued import Critiqued

_SHOWN = 4


@dataclass(frozen=True)
class HeldOutFeedback:
    """Measures a policy as it is."""

    policy: Policy
    method: DRESS
    rows: Sequence[Critiqued]
    best: Told
    worst: Told
    scorer: str
    """A function that scores responses; empty for none."""
    max_tokens: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some responses under the best condition."""
        lessons = [lesson for row in self.rows for lesson in self.method.lessons(self.policy, row)]
        row: JsonObject = {"eval/held_out_loss": held_out_loss(self.policy, lessons)}
        asked = self._asked(self.best)
        said = self._greedy(asked)
        samples = [
            {"prompt": self.method.conditioned(one.prompt.text, self.best), "completion": text}
            for one, text in zip(self.rows[:_SHOWN], said, strict=False)
        ]
        return row | self._heeded() | self._refined() | self._scored(said), samples

    def _heeded(self) -> JsonObject:
        """How well the condition tells the best responses from the worst."""
        levels = {"best": self.best.score, "worst": self.worst.score}
        parts = {name: [row for row in self.rows if row.score == level] for name, level in levels.items()}
        if self.best.score == self.worst.score or not all(parts.values()):
            return {}
        margin = {name: self._mean(self.best, rows) - self._mean(self.worst, rows) for name, rows in parts.items()}
        return {"eval/condition_auc": auc(margin["best"], margin["worst"])}

    def _mean(self, told: Told, rows: Sequence[Critiqued]) -> Float64[np.ndarray, "N"]:
        return _mean_logp(self.policy, [self.method.response(self.policy, row, told) for row in rows])

    def _refined(self) -> JsonObject:
        """What a row's own refinement tells of the next response, more than another's."""
        rows = [row for row in self.rows if row.turns]
        if len({row.turns[0][0] for row in rows}) < 2 or not self.method.refinements:
            return {}
        own = [self._lesson(row, row) for row in rows]
        others = [self._lesson(row, other) for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)]
        gain_N = _mean_logp(self.policy, own) - _mean_logp(self.policy, others)
        return {"eval/refinement_gain": float(gain_N.mean())}

    def _lesson(self, row: Critiqued, told: Critiqued) -> Trajectory:
        """A row's next responses, after what another was to change."""
        given = [told.turns[min(i, len(told.turns) - 1)][0] for i in range(len(row.turns))]
        turns = [(feedback, said) for feedback, (_, said) in zip(given, row.turns, strict=True)]
        return self.method.refined(self.policy, row.prompt, row.response, turns)

    def _scored(self, best: Sequence[str]) -> JsonObject:
        """Mean scores of responses, where something scores them."""
        if not self.scorer:
            return {}
        prompts = [row.prompt for row in self.rows]
        several = [row for row in self.rows if row.turns]
        first = [self.method.refined(self.policy, row.prompt, row.response, row.turns[:1]) for row in several]
        parts = {
            "best": (prompts, best),
            "worst": (prompts, self._greedy(self._asked(self.worst))),
            "before": ([row.prompt for row in several], [row.response for row in several]),
            "after": ([row.prompt for row in several], self._greedy(first)),
        }
        with closing(FunctionReward(self.scorer)) as scorer:
            means = {name: _mean_score(scorer, *part) for name, part in parts.items()}
        return {f"eval/score_{name}": mean for name, mean in means.items() if mean is not None}

    def _asked(self, told: Told) -> list[Trajectory]:
        return [self.method.response(self.policy, row, told) for row in self.rows]

    def _greedy(self, asked: Sequence[Trajectory]) -> list[str]:
        return [self.policy.decode(tokens) for tokens in greedy(self.policy, asked, self.max_tokens)]


def check_scorer(scorer: str, rows: Sequence[Critiqued]) -> None:
    """Ask a scorer, where one is named, about a few responses, so that a wrong one is refused before the first step.

    Raises:
        SteelyardError: it cannot be loaded or called so, or returns anything but a number or None for each response.
    """
    if scorer:
        with closing(FunctionReward(scorer)) as asked:
            _mean_score(asked, [row.prompt for row in rows], [row.response for row in rows])


def _mean_logp(policy: Policy, rows: Sequence[Trajectory]) -> Float64[np.ndarray, "N"]:
    return total_logp(policy, rows) / num_actions(rows)


def _mean_score(scorer: FunctionReward, prompts: Sequence[Prompt], said: Sequence[str]) -> float | None:
    """The mean of the scores that there are; None where there is none."""
    scores = scorer([Episode.written(prompt, text) for prompt, text in zip(prompts, said, strict=True)])
    known = [score.value for score in scores if score.value is not None]
    return sum(known) / len(known) if known else None
