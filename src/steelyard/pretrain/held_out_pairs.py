"""What preference tuning is measured by: held-out pairs, and how likely their two sides became.

    s = log pi(y|x) - log pi_0(y|x),    margin = s_w - s_l

pi_0 is the model before the first step; log-probabilities are sums over tokens (nats). The end of sequence is one of
them, unless the file says that a completion does not end.

    eval/preference_accuracy   share of pairs with margin > 0; a margin of 0, as before the first step, counts half
    eval/preference_margin     mean margin
    eval/chosen_logp           mean log pi(y_w|x)
    eval/rejected_logp         mean log pi(y_l|x)
    eval/displaced             share of pairs whose chosen completion is less likely than before the first step

A margin can grow while chosen_logp falls, because rejected_logp falls faster. Then what became likelier is neither of
the two: likelihood displacement (Razin et al. 2024, arXiv:2410.08847).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Trajectory
from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.rollout.greedy import greedy
from steelyard.task.preferences import Preference

_SHOWN = 4


def given_pair(policy: Policy, pair: Preference) -> list[Trajectory]:
    """A pair in a policy's tokens: the chosen completion with reward 1, the rejected one with reward 0."""
    rewarded = zip(pair.sides, (1.0, 0.0), strict=True)
    return [demonstration(policy, pair.prompt, said, ends=ends, reward=reward) for (said, ends), reward in rewarded]


def pair_logp(policy: Policy, pairs: Sequence[Preference]) -> Float64[np.ndarray, "N 2"]:
    """The log-probabilities of each pair's chosen and rejected completion (nats)."""
    return total_logp(policy, [t for pair in pairs for t in given_pair(policy, pair)]).reshape(-1, 2)


@dataclass(frozen=True)
class HeldOutPairs:
    """Measures a policy as it is."""

    policy: Policy
    pairs: Sequence[Preference]
    first_N2: Float64[np.ndarray, "N 2"]
    """Log-probabilities of chosen and rejected before the first step."""
    max_tokens: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some greedy completions to read beside what was preferred."""
        return measures(pair_logp(self.policy, self.pairs), self.first_N2), self._samples()

    def _samples(self) -> list[JsonObject]:
        shown = [*{pair.prompt.id: pair for pair in self.pairs}.values()][:_SHOWN]
        said = greedy(self.policy, [given_pair(self.policy, pair)[0] for pair in shown], self.max_tokens)
        return [
            {
                "prompt": pair.prompt.text,
                "completion": self.policy.decode(tokens),
                "chosen": pair.chosen,
                "rejected": pair.rejected,
            }
            for pair, tokens in zip(shown, said, strict=True)
        ]


def measures(now_N2: Float64[np.ndarray, "N 2"], first_N2: Float64[np.ndarray, "N 2"]) -> JsonObject:
    """The numbers of pairs whose sides had and have these log-probabilities."""
    risen_N2 = now_N2 - first_N2
    margin_N = risen_N2[:, 0] - risen_N2[:, 1]
    return {
        "eval/preference_accuracy": float(np.where(margin_N == 0, 0.5, margin_N > 0).mean()),
        "eval/preference_margin": float(margin_N.mean()),
        "eval/chosen_logp": float(now_N2[:, 0].mean()),
        "eval/rejected_logp": float(now_N2[:, 1].mean()),
        "eval/displaced": float((risen_N2[:, 0] < 0).mean()),
    }
