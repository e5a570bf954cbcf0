"""HALT: a model is fine-tuned on its own answers, without the fragments that are wrong.

Differs: a pattern cuts an answer into fragments, where the paper has a language model extract atomic facts; the judge
gives a number, and `threshold` makes right or wrong of it. Unconfirmed: what is taught where no fragment is right (here
the marker alone), and how the rest of an answer is marked (here it follows the marker).

    y_1 ... y_N ~ generator(shots, x),      y_n = f_1 f_2 ... f_K
    c_k = [judge(x, f_k) >= threshold],     a_n = mean_k c_k;       y: the ceil(alpha N)-th y_n by rising a_n

    remove    y' = the f_k with c_k = 1                   for fragments that stand alone, such as facts
    cut       y' = f_1 ... f_{j-1} marker                 for steps: f_j is the first wrong one, all after it are wrong
    mark      y' = f_1 ... f_{j-1} marker f_j ... f_K     as cut, and the rest stays for whoever wants it

A low alpha takes one of the worse answers, so what is taught is right even there: precision. A high alpha gives recall.
With threshold 0 every fragment is kept: plain fine-tuning on the model's own answers.
Each row says how many fragments its answer has (`given`) and how many of them are right (`correct`); over all rows

    precision = sum correct / sum given,    recall = sum correct / fragments wanted,    F1 their harmonic mean

Source: Franzmeyer et al. 2025, arXiv:2506.04051.
"""

import itertools
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import NonNegativeInt, PositiveInt, Share, ShareAboveZero, SteelyardError, method, require
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.fragments import Graded, fragments
from steelyard.data.record import Record
from steelyard.task.base import PlainText

BEFORE = "said_before"
"""What a judge is told of a fragment beside its row: the answer up to there."""


@method(
    "halt",
    paper="arXiv:2506.04051",
    claim="Taught what it gets right itself, a model is right 15 points more often in what it says, and F1 rises by 4",
)
@dataclass(frozen=True)
class HALT(Builder):
    """Settings of the answers that are taught."""

    alpha: ShareAboveZero = 0.6
    """Which of the sampled answers is taken, from the worst (near 0) to the best (1): low for precision."""
    samples: PositiveInt = 5
    """Answers that the generator writes to each prompt."""
    threshold: Share = 0.5
    """A fragment is right where the judge's number is as high; 0 keeps all that is rated from 0 to 1."""
    errors: Literal["remove", "cut", "mark"] = "remove"
    """Wrong fragments are removed, or all from the first of them on is cut off, or marked as unsure."""
    split: str = r"(?<=[.!?])\s+|\n+"
    r"""Regular expression; a fragment ends where a match ends. For steps of sums, for example \n+|(?==)."""
    marker: PlainText = "Unsure from here."
    """What is taught in place of what is wrong; in a sampled answer, what follows it is not judged."""
    shots: NonNegativeInt = 4
    """Other rows that stand before each prompt, with their answers."""
    between: PlainText = "\n\n"
    """Text between them; an answer ends where the generator writes it."""
    prompt_column: str = "prompt"
    """Column with the prompt."""
    answer_column: str = "answer"
    """Column with the right answer, for the shots; in what is built it holds what is taught."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.split)
        except re.error as error:
            what = f"is no regular expression ({error})"
            raise SteelyardError(what, where="halt.split", hint=r"write one, such as \n+ for lines") from error
        require(bool(self.marker.strip()), "is empty", where="halt.marker", hint="write what means that it is unsure")
        apart = bool(self.between) or not self.shots
        require(apart, "is empty", where="halt.between", hint="write what stands between shots, or take --shots 0")

    def columns(self) -> tuple[Column, ...]:
        """The prompt, and for shots the answer."""
        prompt = Column(self.prompt_column, setting="--prompt-column")
        return (prompt, Column(self.answer_column, "label", "--answer-column")) if self.shots else (prompt,)

    def asks(self) -> tuple[Tool, ...]:
        """Who answers, and who knows what is right."""
        return "generator", "judge"

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """One record of each, without those whose answers the judge cannot tell.

        Raises:
            SteelyardError: there are too few rows for the shots.
        """
        what = f"asks {self.shots} shots beside each row, of {len(every)} rows"
        require(len(every) > self.shots, what, where="halt", hint="give more rows, or fewer --shots")
        if not part:
            return []
        shots = self._shots(part, every, tools)
        graded = self._graded(self._answers(part, shots, tools), every, tools)
        return [
            derive(self, tools, self._taught(record, self.chosen(graded[record.id])), record, *shots[record.id])
            for record in part
            if graded[record.id]
        ]

    def chosen(self, graded: Sequence[Graded]) -> Graded:
        """The answer that is taken: the ceil(alpha N)-th by rising accuracy, of equal ones the first."""
        ranked = sorted(graded, key=lambda answer: answer.accuracy)
        return ranked[max(1, math.ceil(self.alpha * len(ranked) - 1e-9)) - 1]

    def target(self, answer: Graded) -> str:
        """What is taught in place of an answer."""
        kept = "".join(part for part, right in zip(answer.fragments, answer.right, strict=True) if right)
        whole = all(answer.right)
        unsure = answer.halted or (self.errors != "remove" and not whole)
        rest = answer.text[len(kept) :] if self.errors == "mark" else ""
        taught = f"{kept}{self.marker}{rest}" if unsure else kept if whole else kept.rstrip()
        return taught if taught.strip() else self.marker

    def _taught(self, record: Record, answer: Graded) -> Mapping[str, object]:
        counts = {"given": len(answer.fragments), "correct": answer.correct}
        return {**record.fields, self.answer_column: self.target(answer), "sampled": answer.text, **counts}

    def _shots(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> dict[str, list[Record]]:
        """The rows that stand before each row's prompt, by the row's id."""
        ordered = sorted(every, key=lambda record: record.id)
        found = {}
        for record in part:
            drawn = tools.rng("halt", record.id).choice(len(ordered), self.shots + 1, replace=False)
            found[record.id] = [ordered[i] for i in drawn if ordered[i].id != record.id][: self.shots]
        return found

    def _answers(
        self, part: Sequence[Record], shots: Mapping[str, Sequence[Record]], tools: Tools
    ) -> list[tuple[Record, str]]:
        """The sampled answers to each record's prompt, up to where a next one begins."""
        asked = [(record, self._asked(record, shots[record.id])) for record in part]
        questions = [Question(text, (record.id,), n) for record, text in asked for n in range(self.samples)]
        said = tools.generate(questions)
        of = [record for record in part for _ in range(self.samples)]
        return [(r, text.partition(self.between)[0] if self.shots else text) for r, text in zip(of, said, strict=True)]

    def _asked(self, record: Record, shots: Sequence[Record]) -> str:
        shown = [f"{shot.fields[self.prompt_column]}{shot.fields[self.answer_column]}" for shot in shots]
        return self.between.join([*shown, str(record.fields[self.prompt_column])])

    def _graded(
        self, answers: Sequence[tuple[Record, str]], every: Sequence[Record], tools: Tools
    ) -> dict[str, list[Graded]]:
        """The answers by the record's id, without those that have a fragment which the judge cannot tell."""
        cut = [(record, *text.partition(self.marker)[:2]) for record, text in answers]
        whole = [(record, text, bool(marker), fragments(text, self.split)) for record, text, marker in cut]
        pieces = [(record, parts, k) for record, _, _, parts in whole for k in range(len(parts))]
        names = sorted({name for record in every for name in record.fields})
        columns = {name: [record.fields.get(name) for record, _, _ in pieces] for name in names}
        rated = tools.rate(
            [str(record.fields[self.prompt_column]) for record, _, _ in pieces],
            [parts[k].strip() for _, parts, k in pieces],
            {**columns, BEFORE: ["".join(parts[:k]) for _, parts, k in pieces]},
        )
        numbers = iter(rated)
        found: dict[str, list[Graded]] = {record.id: [] for record, _ in answers}
        for record, text, halted, parts in whole:
            said = [*itertools.islice(numbers, len(parts))]
            if None not in said:
                found[record.id].append(Graded(text, tuple(parts), self._right(said), halted))
        return found

    def _right(self, rated: Sequence[float | None]) -> tuple[bool, ...]:
        """Which fragments are right; where they depend on each other, none after the first wrong one."""
        right = [number is not None and number >= self.threshold for number in rated]
        return tuple(right if self.errors == "remove" else itertools.accumulate(right, operator.and_))
