r"""Per-step pairs: the step at which a solution goes wrong, beside one from the same place that comes to a right end.

    Q_i = mean_k r(x, y_1 ... y_i z_k)      z_1 ... z_K ~ generator(x, y_1 ... y_i);     Q_n = r(x, y_1 ... y_n)
    A_i = Q_i - Q_(i-1)
    c   = argmin_(i >= 1) Q_i, of equals the first; there is a pair where A_c < -drop

x is the problem, y_1 ... y_n the n steps of a solution, r the judge's number (of a verifier: 1 where the end is right,
else 0). With z the continuation that is rated highest, of equals the first, provided that it is rated above Q_c:

    steps       prompt x y_1 ... y_(c-1)    chosen: the first step of z    rejected: y_c              z goes on there
    solutions   prompt x                    chosen: z                      rejected: y_1 ... y_c      z goes on from x

DPO on the pairs, with the generator as its reference, is the rest of the method: `train offline-dpo`. A step is a
beginning, and no end of sequence follows it, neither in the file nor in the tuning, unless a solution ends there. Of
a wrong solution, with a verifier, c is the first step from which none of K continuations comes right; it is also where
best-of-K first fails, by whose values the paper chooses. A right solution has a pair where one of its steps made the
right end less likely than it was: a spurious step, from which it recovered.

Unconfirmed: the paper itself could not be read, only its abstract and notes of readers. By these its algorithm pairs
as `solutions` do, a correct solution against eight wrong ones of each question, cut after the step, with K = 5; its
theorem, that the optimum is that of advantage-weighted RL, speaks of pairs that differ in one step, as `steps` do.
Differs: z is one of the K that Q was estimated by; the chosen step is not drawn with probability sigma(A+ - A-).
Source: Setlur et al. 2024, arXiv:2406.14532.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import fmean
from typing import Literal

from steelyard.core import NonNegative, PositiveInt, SteelyardError, method, require
from steelyard.core.columns import Column
from steelyard.core.json import JsonObject
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.record import Record
from steelyard.policy.text import Text
from steelyard.task.base import worded
from steelyard.task.preferences import CHOSEN_ENDS, REJECTED_ENDS

Form = Literal["steps", "solutions"]
ID = "incorrect-synth"
PIT = "pit"
"""The column of c, counted from 1."""
VALUES = "values"
"""The column of Q_0 ... Q_n."""


@dataclass(frozen=True)
class Solution:
    """A solution to be looked through."""

    record: Record
    prompt: Text
    steps: Sequence[str]

    def before(self, i: int) -> str:
        """The first i steps."""
        return "".join(self.steps[:i])


@dataclass(frozen=True)
class Heard:
    """What the generator wrote after the first i steps of a solution, for each i below their number."""

    said: Sequence[Sequence[str]]
    """K continuations of each beginning."""
    rates: Sequence[Sequence[float | None]]
    """The judge's number of the whole that each makes; None where it cannot tell."""
    rate: float | None
    """That of the solution itself."""

    @property
    def values(self) -> list[float]:
        """Q_0 ... Q_n, over what could be rated; empty where nothing after one of the steps could be."""
        known = [[rate for rate in row if rate is not None] for row in (*self.rates, (self.rate,))]
        return [fmean(row) for row in known] if all(known) else []


@method(
    ID,
    paper="arXiv:2406.14532",
    claim="Wrong solutions, paired by step, are worth eight times the synthetic data; own right ones are worth twice",
)
@dataclass(frozen=True)
class IncorrectSynth(Builder):
    """Settings of the pairs."""

    form: Form = "solutions"
    """What is compared: a solution with the steps up to the wrong one, or single steps after the same steps, on
    which tuning is less stable."""
    continuations: PositiveInt = 5
    """Continuations after each step, by which it is valued."""
    drop: NonNegative = 0.0
    """A step has a pair where it lowers the value by more than this."""
    step_end: str = r"\n+"
    """A step ends after each match of this regular expression."""
    prompt_column: str = "prompt"
    """Column with the problem: a text or chat messages."""
    solution_column: str = "solution"
    """Column with a solution, wrong or right. The judge gets all other columns as it gets prompts: as lists."""
    chat: bool = False
    """Make each problem the message of a user, which the model's chat template renders."""

    def __post_init__(self) -> None:
        where, hint = f"{ID}.step_end", r"name what ends a step, such as '\n+'"
        try:
            empty = re.compile(self.step_end).match("")
        except re.error as error:
            raise SteelyardError(f"is no regular expression ({error})", where=where, hint=hint) from error
        require(empty is None, f"is {self.step_end!r}, which matches the empty text", where=where, hint=hint)

    def columns(self) -> tuple[Column, ...]:
        """The problem and its solution."""
        return (
            Column(self.prompt_column, "prompt", "--prompt-column"),
            Column(self.solution_column, "text", "--solution-column"),
        )

    def asks(self) -> tuple[Tool, ...]:
        """Who goes on from a step, and who says what came of it."""
        return ("generator", "judge")

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """At most one pair of each solution, with all its columns, the values and which step it was."""
        solutions = [self._solution(record) for record in part]
        if not solutions:
            return []
        found = []
        for one, heard in zip(solutions, self._heard(solutions, tools), strict=True):
            if pair := self.pair(one, heard):
                found.append(derive(self, tools, {**one.record.fields, **pair}, one.record))
        return found

    def steps_of(self, text: str) -> list[str]:
        """The steps of a text, which are the text when put together; blanks belong to the step beside them."""
        cuts = [0, *(found.end() for found in re.finditer(self.step_end, text)), len(text)]
        steps: list[str] = []
        for piece in (text[start:end] for start, end in pairwise(cuts) if start < end):
            if steps and not (piece.strip() and steps[-1].strip()):
                steps[-1] += piece
            else:
                steps.append(piece)
        return steps

    def pair(self, one: Solution, heard: Heard) -> JsonObject:
        """The columns of a solution's pair; none where it has no pair."""
        values = heard.values
        c = min(range(1, len(values)), key=values.__getitem__, default=0)  # of equals the first
        if not c or values[c - 1] - values[c] <= self.drop:
            return {}
        start = c - 1 if self.form == "steps" else 0
        rejected = "".join(one.steps[start:c]), c == len(one.steps)
        able = [
            (rate, side)
            for rate, side in zip(heard.rates[start], map(self._chosen, heard.said[start]), strict=True)
            if rate is not None and rate > values[c] and side[0].strip() and side != rejected
        ]
        if not able:
            return {}
        _, chosen = max(able, key=lambda rated: rated[0])
        return {
            "prompt": after(one.prompt, one.before(start)),
            "chosen": chosen[0],
            "rejected": rejected[0],
            CHOSEN_ENDS: chosen[1],
            REJECTED_ENDS: rejected[1],
            PIT: c,
            VALUES: values,
        }

    def _chosen(self, said: str) -> tuple[str, bool]:
        """What is preferred of a continuation, and whether it ends there."""
        steps = self.steps_of(said)
        return ("".join(steps[:1]), len(steps) == 1) if self.form == "steps" else (said, True)

    def _solution(self, record: Record) -> Solution:
        fields = record.fields
        prompt = worded(fields[self.prompt_column], "{prompt}", self.chat, "", f"record {record.id}")
        return Solution(record, prompt, self.steps_of(str(fields[self.solution_column])))

    def _heard(self, solutions: Sequence[Solution], tools: Tools) -> Iterator[Heard]:
        """What the generator says after each step, and what the judge says of that: each is asked once, for all."""
        said = iter(tools.generate([question for one in solutions for question in self._questions(one)]))
        texts = [[list(islice(said, self.continuations)) for _ in one.steps] for one in solutions]
        wholes = [_wholes(one, row) for one, row in zip(solutions, texts, strict=True)]
        rows = [one for one, row in zip(solutions, wholes, strict=True) for _ in row]
        completions = [whole for row in wholes for whole in row]
        rated = iter(tools.rate([one.prompt for one in rows], completions, self._columns(rows)))
        for row in texts:
            rates = [list(islice(rated, self.continuations)) for _ in row]
            yield Heard(row, rates, next(rated))

    def _questions(self, one: Solution) -> Iterator[Question]:
        for i in range(len(one.steps)):
            for k in range(self.continuations):
                yield Question(after(one.prompt, one.before(i)), (ID, one.record.id, str(i)), k)

    def _columns(self, rows: Sequence[Solution]) -> Mapping[str, Sequence[object]]:
        """What the judge may read besides."""
        own = {self.prompt_column, self.solution_column}
        names = dict.fromkeys(name for one in rows for name in one.record.fields if name not in own)
        return {name: [one.record.fields.get(name) for one in rows] for name in names}


def after(prompt: Text, steps: str) -> Text:
    """The prompt and what follows it; in a chat, a turn of the assistant that is still open."""
    if isinstance(prompt, str):
        return prompt + steps
    if not steps:
        return prompt
    *before, last = prompt
    if last["role"] == "assistant":
        return [*before, {**last, "content": last["content"] + steps}]
    return [*prompt, {"role": "assistant", "content": steps}]


def _wholes(one: Solution, texts: Sequence[Sequence[str]]) -> list[str]:
    """What is rated: each continuation after the steps that it follows, and last the solution."""
    return [*(one.before(i) + text for i, row in enumerate(texts) for text in row), one.before(len(one.steps))]
