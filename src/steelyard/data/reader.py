"""A reader for builders: a language model whose hidden states say how alike two completions are to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from steelyard.core import Prompt, Trajectory, require
from steelyard.data.overlap import Comparison, Overlap
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.policy.action_states import action_states

PAIRS = 16
"""Comparisons that are read together."""


@dataclass(frozen=True)
class PolicyReader:
    """A model that reads comparisons, each of them once."""

    policy: Policy
    name: str
    """What the records that it had a part in call it."""
    _known: dict[str, Overlap] = field(default_factory=dict)

    def __call__(self, comparisons: Sequence[Comparison]) -> list[Overlap]:
        """The overlap of each comparison, in order.

        Raises:
            SteelyardError: a completion with its prompt is too long for the model, or nothing ends one.
        """
        keys = [repr(comparison) for comparison in comparisons]
        new = [i for key, i in {key: i for i, key in enumerate(keys)}.items() if key not in self._known]
        rows = {keys[i]: self._rows(comparisons[i]) for i in new}
        for start in range(0, len(new), PAIRS):
            part = [keys[i] for i in new[start : start + PAIRS]]
            states = action_states(self.policy, [row for key in part for row in rows[key]])
            pairs = zip(part, states[::2], states[1::2], strict=True)
            self._known.update({key: overlap(*pair) for key, *pair in pairs})
        return [self._known[key] for key in keys]

    def _rows(self, comparison: Comparison) -> list[Trajectory]:
        prompt = Prompt("", comparison.prompt)
        rows = [demonstration(self.policy, prompt, said) for said in (comparison.chosen, comparison.rejected)]
        most = self.policy.context_length
        longest = max(len(row.tokens_T) for row in rows)
        what = f"{str(comparison.prompt)[:40]!r} and its answer have {longest} tokens, and the context {most}"
        require(
            longest <= most, what, where="--reader", hint="leave the row out, or name a model with a longer context"
        )
        return rows


def overlap(chosen_AD: Float[np.ndarray, "A D"], rejected_BD: Float[np.ndarray, "B D"]) -> Overlap:
    """The overlap of the states before A tokens with those before B tokens."""
    chosen_D, rejected_D = (states.sum(0, dtype=np.float64) for states in (chosen_AD, rejected_BD))
    return Overlap(float(chosen_D @ rejected_D), float(chosen_D @ chosen_D), len(chosen_AD), len(rejected_BD))
