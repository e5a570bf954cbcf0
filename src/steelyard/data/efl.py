"""EFL, entailment as few-shot learner: rows with a class become pairs of text and description, entailed or not.

Unconfirmed: how pairs are drawn; only the idea is in what could be read of the paper. Differs: its further pairs of
augmented sentences without labels, and pairs for regression, are not built.

    x of class y  ->  (x, d_y, 1),   (x, d_l, 0) for `negatives` classes l != y, drawn without replacement

d_l is the description of class l. A model that reads "x [SEP] d" is trained on these pairs by the binary cross-entropy,
begins best as a model of entailment, and predicts argmax_l p(entailed | x, d_l). So one model serves any label that can
be described, and 8 rows of each class make 16 pairs of it.
Source: Wang et al. 2021, arXiv:2104.14690.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import PositiveInt, method, require
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Tools, derive
from steelyard.data.record import Record

PREMISE = "premise"
HYPOTHESIS = "hypothesis"
ENTAILED = "entailed"


@method(
    "efl",
    paper="arXiv:2104.14690",
    claim="12 % better than earlier few-shot methods on 18 tasks, from 8 rows a class",
)
@dataclass(frozen=True)
class EFL(Builder):
    """Settings of the pairs."""

    text_column: str = "text"
    """Column with the text."""
    label_column: str = "label"
    """Column with the class."""
    negatives: PositiveInt = 1
    """Pairs with descriptions of other classes for each row; at most as many as there are other classes."""
    template: str = "It is {label}."
    """Description of a class that has none of its own."""
    descriptions: tuple[tuple[str, str], ...] = ()
    """Descriptions of classes, as pairs of class and text."""

    def __post_init__(self) -> None:
        what = f"is {self.template!r}"
        hint = "write {label} where the class belongs"
        require("{label}" in self.template, what, where="efl.template", hint=hint)
        named = [label for label, _ in self.descriptions]
        what = f"describes {', '.join(sorted(set(named)))} more than once"
        require(len(set(named)) == len(named), what, where="efl.descriptions", hint="describe each class once")

    def columns(self) -> tuple[Column, ...]:
        """The text and its class."""
        return Column(self.text_column, "text", "--text-column"), Column(self.label_column, "label", "--label-column")

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """One pair that is entailed and `negatives` that are not, of each record.

        Raises:
            SteelyardError: there is but one class, or a description is of none.
        """
        labels = sorted({str(record.fields[self.label_column]) for record in every})
        what = f"all rows are of the class {', '.join(labels)}"
        require(len(labels) > 1, what, where="efl", hint="give rows of two classes or more")
        unknown = sorted({label for label, _ in self.descriptions} - {*labels})
        what = f"describes {', '.join(unknown)}, and no row is of that class"
        require(not unknown, what, where="efl.descriptions", hint=f"describe {', '.join(labels)}")
        return [pair for record in part for pair in self._pairs(record, labels, tools)]

    def _pairs(self, record: Record, labels: Sequence[str], tools: Tools) -> list[Record]:
        own = str(record.fields[self.label_column])
        others = [label for label in labels if label != own]
        drawn = tools.rng("efl", record.id).permutation(len(others))[: self.negatives]
        chosen = [own, *(others[i] for i in drawn)]
        rows = [
            {PREMISE: record.fields[self.text_column], HYPOTHESIS: self.describe(label), ENTAILED: int(label == own)}
            for label in chosen
        ]
        return [derive(self, tools, row, record) for row in rows]

    def describe(self, label: str) -> str:
        """The description of a class."""
        return dict(self.descriptions).get(label, self.template.replace("{label}", label))
