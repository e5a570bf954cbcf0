"""A critic that is a function `f(prompts, completions, **columns)` in a process that can be killed.

It is asked about claims, and returns for each a label with its reason, `("contradictory", "It opened in 1931.")`, or as
a judge does a number: from a half on the claim is supported, below it is unverified. None means that it cannot tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import checked, require
from steelyard.data.critique import LABELS, Critique, rate_of
from steelyard.data.function_judge import FunctionJudge
from steelyard.policy.text import Text
from steelyard.reward.score import number_of


@checked("judge")
@dataclass(frozen=True)
class FunctionCritic(FunctionJudge):
    """A named function that criticises claims."""

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """1 for each claim that is supported, else 0; None where it cannot tell."""
        return [rate_of(found) for found in self.criticise(prompts, completions, **columns)]

    def criticise(
        self, prompts: Sequence[Text], claims: Sequence[str], /, **columns: Sequence[object]
    ) -> list[Critique | None]:
        """A critique of each claim; None where it cannot tell.

        Raises:
            SteelyardError: the function cannot be loaded or called so, or returns no list of as many critiques.
            FaultError: it failed on this call: it raised, ran too long, or died.
        """
        if not claims:
            return []
        value = self.asked(prompts, claims, columns)
        said: list[object] = value if isinstance(value, list) else []
        found = [critique_of(one) for one in said]
        told = len(found) == len(claims)
        told = told and all(one is None or critique is not None for one, critique in zip(said, found, strict=True))
        hint = f"return a list of {len(claims)} numbers or pairs of a label ({', '.join(LABELS)}) and a reason"
        require(told, f"it returned {value!r:.80}", where=f"judge {self.name}", hint=hint)
        return found


def critique_of(value: object) -> Critique | None:
    """The critique that a value is; None where it is none."""
    if (number := number_of(value)) is not None:
        return Critique("supported" if number >= 0.5 else "unverified")
    pair = [*value] if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not isinstance(pair[1], str):
        return None
    return next((Critique(label, pair[1]) for label in LABELS if label == pair[0]), None)
