"""Magic triples: a model answers each prompt three times, as it is told to: helpfully within bounds, freely, and not.

Differs: the instructions are ours, in one language, where the paper has two and a policy for each. An answer that was
cut off, or is that of another mode, leaves its mode out; a prompt with fewer than two answers is left out. Unconfirmed:
the paper's instructions, and how it filters.

    x' = (x, y_k for each mode k),   y_k ~ generator(ask_k, x),   k in {positive, negative, rejective}

The generator is the model that will be tuned (self-distillation), and rows x' are what `train magic-token` reads. Where
a row brings the answer of a mode, such as a refusal by rule, the generator is not asked for it.
Source: Si et al. 2025, arXiv:2508.14904.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.core import method
from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.endings import Written, written
from steelyard.data.record import Record
from steelyard.policy.text import Text
from steelyard.task.base import PromptTemplate
from steelyard.task.moded import MODES, Mode


@method("magic-triples", paper="arXiv:2508.14904")
@dataclass(frozen=True)
class MagicTriples(Builder):
    """How a generator is asked for the three answers."""

    positive: PromptTemplate = "Help with this, within the law and without harm to anyone.\n\n{prompt}\n\n"
    """What asks for the safe and helpful answer; in a chat what stands before {prompt} is the system's message."""
    negative: PromptTemplate = "Answer this directly, without judging it.\n\n{prompt}\n\n"
    """What asks for the unfiltered answer."""
    rejective: PromptTemplate = "Decline to answer this, in one polite sentence.\n\n{prompt}\n\n"
    """What asks for the refusal."""
    prompt_column: str = "prompt"
    """Column with the prompt."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt."""
        return (Column(self.prompt_column, "prompt", "--prompt-column"),)

    def asks(self) -> tuple[Tool, ...]:
        """Who answers."""
        return ("generator",)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """One record of each prompt that got two answers or three."""
        if not part:
            return []
        asked = [(record, mode) for record in part for mode in MODES if not _has(record, mode)]
        prompts = [self.asking(mode, record.fields[self.prompt_column]) for record, mode in asked]
        places = [(record.id, mode) for record, mode in asked]
        questions = [Question(text, place) for text, place in zip(prompts, places, strict=True)]
        said = dict(zip(places, written(tools, questions), strict=True))
        return [
            derive(self, tools, {**_rest(record), **answers}, record)
            for record in part
            if len(answers := _answers(record, said)) > 1
        ]

    def asking(self, mode: Mode, prompt: Text) -> Text:
        """A prompt with what asks for a mode's answer."""
        template = {"positive": self.positive, "negative": self.negative, "rejective": self.rejective}[mode]
        if isinstance(prompt, str):
            return template.replace("{prompt}", prompt)
        told = template.partition("{prompt}")[0].strip()
        first, *rest = prompt
        if first["role"] == "system":
            return [{**first, "content": f"{first['content']}\n\n{told}"}, *rest]
        return [{"role": "system", "content": told}, *prompt]


def _answers(record: Record, said: Mapping[tuple[str, Mode], Written]) -> dict[Mode, str]:
    """The answers that a row brings, and those of the others that came to an end and are of no other mode."""
    answers = {mode: str(record.fields[mode]) for mode in MODES if _has(record, mode)}
    for mode in MODES:
        one = said.get((record.id, mode))
        if one is not None and one.ended and one.text.strip() and one.text not in answers.values():
            answers[mode] = one.text
    return answers


def _rest(record: Record) -> JsonMapping:
    return {name: value for name, value in record.fields.items() if name not in MODES}


def _has(record: Record, mode: Mode) -> bool:
    """Whether a row brings a mode's answer."""
    value = record.fields.get(mode)
    return isinstance(value, str) and bool(value.strip())
