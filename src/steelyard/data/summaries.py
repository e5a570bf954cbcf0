"""Summaries of conversations: a generator says in words what the user now wants.

    summary = the first line that generator(template with the turns) writes

Unconfirmed: CONVERSE's wording, which could not be read; this one is ours. The turns stand one to a line, the user's
last one behind. P prompts: one for each conversation.
Source: Lee et al. 2024, arXiv:2402.13043, whose first step it is; `convretrieval` is the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from steelyard.core import method
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.record import Record
from steelyard.task.base import OnCommandLine

ConversationTemplate = Annotated[
    str, Meta(pattern=r"\{turns\}", description="a text with {turns} where the conversation goes"), OnCommandLine
]


@method(
    "conversation-summaries",
    paper="arXiv:2402.13043",
    claim="What a conversation is about is found by its summary better than by its turns.",
)
@dataclass(frozen=True)
class ConversationSummaries(Builder):
    """Write a summary to each conversation."""

    template: ConversationTemplate = "{turns}\n\nIn one line, what does the user want now?\n"
    r"""What the generator is asked. On the command line \n, \t and \\ are a line break, a tab and a backslash."""
    turns_column: str = "turns"
    """Column with the turns, a list of texts of which the user wrote the last."""

    def columns(self) -> tuple[Column, ...]:
        """The turns."""
        return (Column(self.turns_column, "texts", "--turns-column"),)

    def asks(self) -> tuple[Tool, ...]:
        """Who writes."""
        return ("generator",)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """One record of each with the column `summary`, without those of which nothing was said."""
        if not part:
            return []
        said = tools.generate([Question(self._asked(record), (record.id,)) for record in part])
        lines = [next(iter(text.strip().splitlines()), "").strip() for text in said]
        return [
            derive(self, tools, {**record.fields, "summary": line}, record)
            for record, line in zip(part, lines, strict=True)
            if line
        ]

    def _asked(self, record: Record) -> str:
        return self.template.replace("{turns}", "\n".join(record.fields[self.turns_column]))
