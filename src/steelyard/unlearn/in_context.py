"""In-context return: what was forgotten is asked for after other things that were forgotten with it.

    p = mean over rows of exp(mean over y's tokens of log pi(y | x_1 y_1 ... x_k y_k x)),    k other rows told before

Row i is asked after the k rows that follow it in the order of prompt ids, those with its own prompt or its own answer
left out, so nothing in the context says the answer. Fewer stand there where the model's context ends before; a row that
leaves no room for any is not asked. T tokens of y, its end of sequence included.
Differs: the context is of other rows to be forgotten; the paper gives general knowledge of the topic.
Source: the in-context relearning of Lynch et al. 2024, arXiv:2402.16835.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steelyard.core import PositiveInt, method
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.text import Text
from steelyard.task.answered import Answered
from steelyard.task.base import PlainText
from steelyard.unlearn.material import RECALLED, ForgettingAudit, Material, recalled
from steelyard.unlearn.two_sided_audit import question

MEASURES = (*RECALLED, Measure("examples", "number", "Rows told before a prompt, the mean."))


@method("in-context", paper="arXiv:2402.16835", claim="tells what was forgotten from what only waits for a hint")
@dataclass(frozen=True)
class InContext(ForgettingAudit):
    """Tell other forgotten rows before each prompt."""

    examples: PositiveInt = 4
    """Rows told before a prompt."""
    separator: PlainText = "\n\n"
    """Text after each of them, where prompts are no chats."""

    def lacks(self, material: Material) -> str:
        """Rows that can be told beside each other."""
        able = any(others_of(material.forget, i, 1) for i in range(len(material.forget)))
        return "" if able else "two rows to be forgotten with other prompts and answers"

    def measure(self, policy: Policy, material: Material) -> Table:
        """The same questions alone and in context, so that the two rows can be compared."""
        rows = sorted(material.forget, key=lambda row: (row.prompt.id, row.answer))
        pairs = [(row, told) for i, row in enumerate(rows) if (told := self._fitting(policy, rows, i))]
        if not pairs:
            nothing = (0, None, None, None, None)
            return Table(MEASURES, (("forget_alone", nothing), ("forget_in_context", nothing)))
        alone = [question(policy, row) for row, _ in pairs]
        after = [question(policy, self._after(told, row)) for row, told in pairs]
        mean = sum(len(told) for _, told in pairs) / len(pairs)
        numbers = [recalled(policy, asked, self.max_completion_length) for asked in (alone, after)]
        return Table(MEASURES, (("forget_alone", (*numbers[0], 0)), ("forget_in_context", (*numbers[1], mean))))

    def _fitting(self, policy: Policy, rows: Sequence[Answered], i: int) -> list[Answered]:
        """As many others as the context has room for beside the answers and one greedy token."""
        told = others_of(rows, i, self.examples)
        while told:
            asked = question(policy, self._after(told, rows[i]))
            if max(len(t.tokens_T) for t in (asked.right, *asked.wrong)) <= policy.context_length:
                break
            told.pop()
        return told

    def _after(self, told: Sequence[Answered], row: Answered) -> Answered:
        return replace(row, prompt=replace(row.prompt, text=told_before(told, row.prompt.text, self.separator)))


def others_of(rows: Sequence[Answered], i: int, number: int) -> list[Answered]:
    """Up to so many rows after row i, round to the first again, that say neither its prompt nor its answer."""
    row = rows[i]
    found = [
        other
        for other in (*rows[i + 1 :], *rows[:i])
        if other.prompt.id != row.prompt.id
        and other.answer.strip() != row.answer.strip()
        and isinstance(other.prompt.text, str) == isinstance(row.prompt.text, str)
    ]
    return found[:number]


def told_before(told: Sequence[Answered], text: Text, separator: str) -> Text:
    """A prompt after others with their answers: one text, or earlier turns of its chat under its own system message."""
    if isinstance(text, str):
        return "".join(f"{one.prompt.text}{one.answer}{separator}" for one in told) + text
    turns = [
        message
        for one in told
        for message in (*_without_system(one.prompt.text), {"role": "assistant", "content": one.answer})
    ]
    system = [message for message in text if message["role"] == "system"]
    return [*system, *turns, *_without_system(text)]


def _without_system(text: Text) -> list[dict[str, str]]:
    assert not isinstance(text, str)
    return [message for message in text if message["role"] != "system"]
