"""Critiques of claims: whether a document supports a claim, and why; how a language model is asked for one.

    Document: ... Claim: ... Supported, contradictory or unverified?   ->   why, then "Label: contradictory"

A model that writes critiques is tuned by `train sft` on what `fence-critic` builds, and judges claims for `fence`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, get_args, runtime_checkable

import tyro
from msgspec import Meta

from steelyard.core import checked, require
from steelyard.data.builder import Generator, Judge, Question
from steelyard.policy.text import Text
from steelyard.task.base import OnCommandLine, PlainText

Label = Literal["supported", "contradictory", "unverified"]
LABELS: tuple[Label, ...] = get_args(Label)
ClaimTemplate = Annotated[
    str, Meta(pattern=r"\{claim\}", description="a text with {claim} where the claim goes"), OnCommandLine
]


@dataclass(frozen=True)
class Critique:
    """What is said of a claim."""

    label: Label
    text: str = ""
    """Why; empty where nobody said it."""


@runtime_checkable
class Critic(Judge, Protocol):
    """A judge that says why; as a judge it rates a claim 1 that is supported, and any other 0."""

    def criticise(
        self, prompts: Sequence[Text], claims: Sequence[str], /, **columns: Sequence[object]
    ) -> list[Critique | None]:
        """A critique of each claim; None where it cannot tell. `columns` are what else the prompts' rows say."""
        ...


@checked("critic")
@dataclass(frozen=True)
class CritiqueForm:
    """How a model is asked about a claim, and how its answer is read.

    On a command line these are --critic.template and --critic.mark, whatever they are a part of.
    """

    template: Annotated[ClaimTemplate, tyro.conf.arg(name="critic.template", prefix_name=False)] = (
        "Document: {document}\nClaim: {claim}\nSupported, contradictory or unverified?\n"
    )
    r"""What it is asked; {prompt} may stand in it, too, where claims are not understood without the question. On the
    command line \n, \t and \\ are a line break, a tab and a backslash."""
    mark: Annotated[PlainText, tyro.conf.arg(name="critic.mark", prefix_name=False)] = "Label: "
    """What stands before the label, which is supported, contradictory or unverified, at the end of a critique."""

    def __post_init__(self) -> None:
        found = "{document}" in self.template
        require(found, "has no {document}", where="critic.template", hint="write {document} where the document goes")
        require(bool(self.mark.strip()), "is empty", where="critic.mark", hint="write what stands before the label")

    def asked(self, prompt: Text, claim: str, document: str) -> str:
        """The text that asks about a claim."""
        return filled(self.template, {"prompt": question_of(prompt), "claim": claim, "document": document})

    def written(self, critique: Critique) -> str:
        """A critique as the model is to write it: why, then the label."""
        why = f"{critique.text}\n" if critique.text else ""
        return f"{why}{self.mark}{critique.label}"

    def read(self, text: str) -> Critique | None:
        """The critique in what a model wrote; None where no label stands after the last mark."""
        why, mark, after = text.rpartition(self.mark.strip())
        word = re.match(r"\W*(\w+)", after)
        said = word[1].casefold() if mark and word else ""
        return next((Critique(label, why.strip()) for label in LABELS if label == said), None)


@dataclass(frozen=True)
class ModelCritic:
    """A language model that writes a critique for each document of a claim.

    The claim is supported where one document supports it, else contradictory where one contradicts it. The critique is
    that of the first document which decides.
    """

    writer: Generator
    """Best at temperature 0."""
    form: CritiqueForm = CritiqueForm()
    documents: str = "documents"
    """The column that holds a row's documents."""
    chat: bool = False
    """Ask by the message of a user, which the model's chat template renders."""

    @property
    def name(self) -> str:
        """The model's."""
        return self.writer.name

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """1 for each claim that is supported, else 0; None where it cannot tell."""
        return [rate_of(found) for found in self.criticise(prompts, completions, **columns)]

    def criticise(
        self, prompts: Sequence[Text], claims: Sequence[str], /, **columns: Sequence[object]
    ) -> list[Critique | None]:
        """A critique of each claim; None where no document's critique has a label."""
        asked = [
            [self.form.asked(prompt, claim, document) for document in documents_of(given)]
            for prompt, claim, given in zip(prompts, claims, columns[self.documents], strict=True)
        ]
        every = [*dict.fromkeys(text for texts in asked for text in texts)]
        said = self.writer([Question(self._message(text), ("critic", text)) for text in every], 0)
        critiques = dict(zip(every, map(self.form.read, said), strict=True))
        return [deciding([critiques[text] for text in texts]) for texts in asked]

    def _message(self, text: str) -> Text:
        return [{"role": "user", "content": text}] if self.chat else text


def deciding(critiques: Sequence[Critique | None]) -> Critique | None:
    """Of one claim's critiques the first by the strongest label; None where there is none."""
    known = [one for one in critiques if one is not None]
    return min(known, key=lambda one: LABELS.index(one.label), default=None)


def rate_of(critique: Critique | None) -> float | None:
    """A critique as a number."""
    return None if critique is None else float(critique.label == "supported")


def documents_of(given: object) -> list[str]:
    """The documents of a row: a list of texts, or one text."""
    return [given] if isinstance(given, str) else [str(one) for one in given] if isinstance(given, list) else []


def question_of(prompt: Text) -> str:
    """A prompt's text; of chat messages that of the last."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def filled(template: str, texts: Mapping[str, str]) -> str:
    """The template with each {name} replaced once; braces in what is put there stay."""
    return re.sub("|".join(rf"\{{{name}\}}" for name in texts), lambda found: texts[found[0][1:-1]], template)
