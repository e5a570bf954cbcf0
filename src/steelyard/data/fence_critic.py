"""FenCE's critic: labelled claims with critiques of a stronger model, for the tuning of a judge that says why.

Differs: documents that tools found stand in a column of the rows, where the paper has the model write the searches.
Unconfirmed: whether rows without a critique that agrees are learned from by their label alone (`labels_alone`), and
whether the critique comes before the label.

    (claim c, document d, label l):   (l', why) ~ generator(d, c)
    prompt = d, c;    answer = why, l  where l' = l,    else l alone, or no row
    further documents d' of c:        (l', why) ~ generator(d', c);    prompt = d', c;  answer = why, l  where l' = l

`train sft` on these rows tunes the judge of `fence`. Built by a tuned judge itself from rows that were held out,
`agreed` says how often it is right.
Source: Xie et al. 2024, arXiv:2410.18359.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from steelyard.core import method, require
from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.critique import LABELS, Critique, CritiqueForm, documents_of
from steelyard.data.record import Record
from steelyard.policy.text import Text

ID = "fence-critic"


class Pair(NamedTuple):
    """A claim with a document."""

    record: Record
    place: int
    """0 for the row's own document, else which of those that were found."""
    asked: str


@method(
    ID,
    paper="arXiv:2410.18359",
    claim="Critiques and further documents raise a judge's balanced accuracy on LLM-AggreFact from 71.8 to 74.7 %",
)
@dataclass(frozen=True)
class FenCECritic(Builder):
    """Settings of the lessons of a judge."""

    labels_alone: bool = True
    """Where a row's critique comes to another label, teach its label alone; else leave the row out."""
    critic: CritiqueForm = field(default_factory=CritiqueForm)
    """How the judge is asked, now and when it is used."""
    claim_column: str = "claim"
    """Column with the claim."""
    document_column: str = "document"
    """Column with the document."""
    label_column: str = "label"
    """Column with supported, contradictory or unverified."""
    found_column: str = ""
    """Column with further documents, which a row need not have; empty for none."""
    prompt_column: str = ""
    """Column with the question, where the template has {prompt}."""
    chat: bool = False
    """Ask by the message of a user, which the model's chat template renders."""

    def __post_init__(self) -> None:
        told = bool(self.prompt_column) or "{prompt}" not in self.critic.template
        hint = "name the column of the question, or leave {prompt} out of the template"
        require(told, "is empty, and the template has {prompt}", where=f"{ID}.prompt_column", hint=hint)

    def columns(self) -> tuple[Column, ...]:
        """The claim, its document and its label."""
        columns = (
            Column(self.claim_column, "text", "--claim-column"),
            Column(self.document_column, "text", "--document-column"),
            Column(self.label_column, "label", "--label-column", LABELS),
        )
        return (*columns, Column(self.prompt_column, "text", "--prompt-column")) if self.prompt_column else columns

    def asks(self) -> tuple[Tool, ...]:
        """Who writes critiques."""
        return ("generator",)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """The lesson of each record, and of each further document that leads to its label.

        Raises:
            SteelyardError: a label is none of the three.
        """
        for record in every:
            label = record.fields[self.label_column]
            hint = f"write {', '.join(LABELS)}"
            require(label in LABELS, f"the label of record {record.id} is {label!r:.40}", where="--rows", hint=hint)
        if not part:
            return []
        pairs = [pair for record in part for pair in self._pairs(record)]
        said = tools.generate([Question(self._message(p.asked), (ID, p.record.id, str(p.place))) for p in pairs])
        heard = [(pair, self.critic.read(text)) for pair, text in zip(pairs, said, strict=True)]
        rows = [(pair, self._lesson(pair, critique)) for pair, critique in heard]
        return [derive(self, tools, row, pair.record, number=pair.place) for pair, row in rows if row]

    def _pairs(self, record: Record) -> list[Pair]:
        """The claim of a record with each document."""
        documents = [str(record.fields[self.document_column]), *documents_of(record.fields.get(self.found_column))]
        prompt = str(record.fields.get(self.prompt_column, ""))
        claim = str(record.fields[self.claim_column])
        return [Pair(record, i, self.critic.asked(prompt, claim, text)) for i, text in enumerate(documents)]

    def _lesson(self, pair: Pair, critique: Critique | None) -> JsonMapping:
        """The columns of a lesson; none where it is left out."""
        label = LABELS[LABELS.index(pair.record.fields[self.label_column])]
        agreed = critique is not None and critique.label == label
        if not agreed and (pair.place or not self.labels_alone):
            return {}
        answer = self.critic.written(critique if agreed and critique else Critique(label))
        return {"prompt": self._message(pair.asked), "answer": answer, self.label_column: label, "agreed": agreed}

    def _message(self, text: str) -> Text:
        return [{"role": "user", "content": text}] if self.chat else text
