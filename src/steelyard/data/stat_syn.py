"""STAT-Syn: new questions on the skills that a model misses, with the answers on which their writer agrees with itself.

Differs: rows are questions of the missed skills, each with one, where the paper goes through pairs of a difficult
question and a skill that the answer to it missed; `train stat` says which skills are missed. The words in which the
generator is asked are ours. The final answer of a solution is found by the rule of `reward/final_answer.py`.

    E_x    = x and `examples` - 1 other questions of its skill s, with their answers, drawn without replacement
    x'_i   ~ generator(E_x, s),  i = 1 ... new
    y_ik   ~ generator(x'_i),    k = 1 ... solutions
    keep (x'_i, y_ik) where y_ik comes to the commonest answer, and at least `agree` solutions do

In the paper examples = 3, new = 2, solutions = 3, agree = 2.
Source: He et al. 2025, arXiv:2510.10023, appendix B.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from steelyard.core import PositiveInt, method, require
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.record import Record
from steelyard.reward.final_answer import MARKER, find_answer

ASK = "Questions on {skill}:\n\n{examples}\n\nA new question on {skill}:\n"
SOLVE = f"{{question}}\nWrite {MARKER} and the answer at the end of the solution.\n"


@method(
    "stat-syn",
    paper="arXiv:2510.10023",
    claim="up to 7.5 points on MATH where plain fine-tuning on the same questions gains 1 or 2",
)
@dataclass(frozen=True)
class STATSyn(Builder):
    """Settings of STAT-Syn: new questions on the skills that a model misses."""

    examples: PositiveInt = 3
    """Questions of the skill that the generator is shown."""
    new: PositiveInt = 2
    """New questions for each row."""
    solutions: PositiveInt = 3
    """Solutions of each new question."""
    agree: PositiveInt = 2
    """Fewest of them that must come to one answer."""
    prompt_column: str = "prompt"
    """Column with the question."""
    answer_column: str = "answer"
    """Column with its answer."""
    skill_column: str = "skill"
    """Column with the skill that is missed."""

    def __post_init__(self) -> None:
        hint = f"use at most {self.solutions}, the number of solutions"
        require(self.agree <= self.solutions, f"is {self.agree}", where="stat-syn.agree", hint=hint)

    def columns(self) -> tuple[Column, ...]:
        """The question, its answer and its skill."""
        return (
            Column(self.prompt_column, "text", "--prompt-column"),
            Column(self.answer_column, "label", "--answer-column"),
            Column(self.skill_column, "label", "--skill-column"),
        )

    def asks(self) -> tuple[Tool, ...]:
        """Who writes questions and solutions."""
        return ("generator",)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """The new questions of each record, one record for each solution that is kept."""
        if not part:
            return []
        return [one for new in self._asked(part, every, tools) for one in self._kept(new, tools)]

    def _asked(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list["_New"]:
        """The new questions, each with its solutions; one without words is left out."""
        of_skill = self._of_skill(every)
        shown = [self._examples(record, of_skill, tools) for record in part]
        places = [(record, shown[at], i) for at, record in enumerate(part) for i in range(self.new)]
        asking = [Question(self._asking(record, used), (record.id, "question"), i) for record, used, i in places]
        written = [text.strip() for text in tools.generate(asking)]
        posed = [(*place, text) for place, text in zip(places, written, strict=True) if text]
        solving = [
            Question(SOLVE.replace("{question}", text), (record.id, "solution", str(i)), k)
            for record, _, i, text in posed
            for k in range(self.solutions)
        ]
        solved = tools.generate(solving)
        return [
            _New(record, used, i, text, solved[at * self.solutions : (at + 1) * self.solutions])
            for at, (record, used, i, text) in enumerate(posed)
        ]

    def _of_skill(self, every: Sequence[Record]) -> Mapping[str, list[Record]]:
        """The records of each skill, in an order that is theirs alone."""
        found: dict[str, list[Record]] = {}
        for record in sorted(every, key=lambda one: one.id):
            found.setdefault(self._skill(record), []).append(record)
        return found

    def _skill(self, record: Record) -> str:
        return str(record.fields[self.skill_column])

    def _examples(self, record: Record, of_skill: Mapping[str, list[Record]], tools: Tools) -> list[Record]:
        others = [one for one in of_skill[self._skill(record)] if one.id != record.id]
        order = tools.rng("stat-syn", record.id).permutation(len(others))[: self.examples - 1]
        return [record, *(others[i] for i in order)]

    def _asking(self, record: Record, examples: Sequence[Record]) -> str:
        shown = [f"{one.fields[self.prompt_column]} {one.fields[self.answer_column]}" for one in examples]
        return ASK.replace("{skill}", self._skill(record)).replace("{examples}", "\n".join(shown))

    def _kept(self, new: "_New", tools: Tools) -> list[Record]:
        """A record for each solution that comes to the commonest answer, where enough do."""
        answers = [final_answer(text) for text in new.solutions]
        counted = Counter(answer for answer in answers if answer)
        (common, number), *_ = counted.most_common(1) or [("", 0)]
        if number < self.agree:
            return []
        rows = {self.prompt_column: new.question, self.skill_column: self._skill(new.record)}
        return [
            derive(
                self, tools, {**rows, self.answer_column: text}, *new.examples, number=new.place * self.solutions + k
            )
            for k, (text, answer) in enumerate(zip(new.solutions, answers, strict=True))
            if answer == common
        ]


class _New(NamedTuple):
    """A new question."""

    record: Record
    """The row that it was asked for."""
    examples: Sequence[Record]
    """What its writer was shown, the row first."""
    place: int
    """Which of the row's new questions it is."""
    question: str
    solutions: Sequence[str]


def final_answer(solution: str) -> str:
    """What a solution comes to, the last word of its final answer; empty where it has none."""
    found = find_answer(solution)
    words = found.text.split() if found is not None else []
    return words[-1].rstrip(".") if words else ""
