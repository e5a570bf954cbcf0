"""A classifier that is being taught by a weak guard, and how both are measured beside a ceiling. N texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core.json import JsonObject
from steelyard.guard.base import Guard, Ruling
from steelyard.guard.encoder_guard import LABELS
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import alone, examples
from steelyard.guard.weak_to_strong import gap_recovered
from steelyard.policy.classifier import Classifier


@dataclass(frozen=True)
class StudentGuard:
    """A classifier that is being taught."""

    classifier: Classifier

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with mean hidden states of the last layer."""
        return Ruling(*self.classifier.read(texts, LABELS[1]))

    def log_odds(self, texts: Sequence[str]) -> Float[Tensor, "N"]:
        """Of harm, with a gradient."""
        logit_N2 = self.classifier.logits(texts)
        return logit_N2[:, 1] - logit_N2[:, 0]


@dataclass(frozen=True)
class Yardstick:
    """Held-out texts, and how often the weak guard and the ceiling are right on them."""

    texts: Labelled
    others: Mapping[str, float]
    """`eval/right_weak` and `eval/right_ceiling`, of the guards that were named."""

    @classmethod
    def of(cls, texts: Labelled, weak: Guard | None, ceiling: Guard | None) -> "Yardstick":
        """Ask both guards once."""
        named = {"eval/right_weak": weak, "eval/right_ceiling": ceiling}
        asked = {key: guard for key, guard in named.items() if guard is not None}
        return cls(texts, {key: alone(guard(texts.texts).harm_N, texts)["eval/right"] for key, guard in asked.items()})

    def measure(self, student: Guard) -> tuple[JsonObject, list[JsonObject]]:
        """How the student rules, and how much of the gap from weak guard to ceiling it has closed."""
        harm_N = student(self.texts.texts).harm_N
        row = alone(harm_N, self.texts)
        ends = [self.others[key] for key in ("eval/right_weak", "eval/right_ceiling") if key in self.others]
        gap = gap_recovered(ends[0], row["eval/right"], ends[1]) if len(ends) == 2 else None
        found = {} if gap is None else {"eval/gap_recovered": gap}
        return {**row, **self.others, **found}, [*examples(harm_N, self.texts, None)]
