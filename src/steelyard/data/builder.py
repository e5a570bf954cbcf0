"""The interface of data builders: records in, records out, each of which says where it comes from.

    build(part, every) = union over the records x of `part` of f(x, set of every)

So a file may be built in parts, in any order, and a part again after a crash. Randomness is drawn by `Tools.rng`, whose
draws depend on the seed and on the address that the builder gives, such as the record's id.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np

from steelyard.core import encode, require, rng
from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.data.overlap import Comparison, Overlap, Reader
from steelyard.data.record import Origin, Record, built
from steelyard.policy.text import Text

Tool = Literal["generator", "judge", "reader"]
_NONE: Mapping[str, Sequence[object]] = MappingProxyType({})


@dataclass(frozen=True)
class Question:
    """A text that a generator is to go on with, and the address of its randomness."""

    prompt: Text
    """A text, or chat messages, of which a last one of the assistant is gone on with."""
    address: tuple[str, ...]
    """For example a record's id, and what the answer is for."""
    sample: int = 0
    """Which of several answers."""


@runtime_checkable
class Generator(Protocol):
    """Writes texts. Equal questions and seeds get equal answers, whatever else is asked."""

    @property
    def name(self) -> str:
        """What it is, for the records that it had a part in."""
        ...

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        """The answer to each question, in order."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Rates texts."""

    @property
    def name(self) -> str:
        """What it is, for the records that it had a part in."""
        ...

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """A number for each completion; None where it cannot tell. `columns` are what else the prompts' rows say."""
        ...


@dataclass(frozen=True)
class Tools:
    """What a builder may use besides the records."""

    seed: int = 0
    generator: Generator | None = None
    judge: Judge | None = None
    reader: Reader | None = None

    def rng(self, *address: str | int) -> np.random.Generator:
        """The randomness of an address, such as (method, record id)."""
        return rng(self.seed, "data", *address)

    def generate(self, questions: Sequence[Question]) -> list[str]:
        """The generator's answer to each question.

        Raises:
            SteelyardError: there is no generator.
        """
        require(self.generator is not None, "is missing", where="--generator", hint="name a model that writes texts")
        assert self.generator is not None
        return self.generator(questions, self.seed)

    def rate(
        self,
        prompts: Sequence[Text],
        completions: Sequence[str],
        columns: Mapping[str, Sequence[object]] = _NONE,
    ) -> list[float | None]:
        """The judge's number for each completion.

        Args:
            prompts: of each completion.
            completions: what is rated.
            columns: what a judge may read besides: a value for each completion.

        Raises:
            SteelyardError: there is no judge, or a column has the name of another argument.
        """
        require(self.judge is not None, "is missing", where="--judge", hint="name a function, module:function")
        assert self.judge is not None
        taken = ", ".join(sorted({"prompts", "completions"} & {*columns}))
        require(not taken, f"{taken} would hide an argument of the judge", where="--rows", hint="rename the column")
        return self.judge(prompts, completions, **columns)

    def overlaps(self, comparisons: Sequence[Comparison]) -> list[Overlap]:
        """How both completions of each comparison lie to each other in the reader's hidden states.

        Raises:
            SteelyardError: there is no reader.
        """
        require(self.reader is not None, "is missing", where="--reader", hint="name the model that is to be tuned")
        assert self.reader is not None
        return self.reader(comparisons)


@runtime_checkable
class Builder(Protocol):
    """Settings of a builder: a frozen dataclass with `@method(id, ...)` above it."""

    def columns(self) -> tuple[Column, ...]:
        """The columns that it reads."""
        ...

    def asks(self) -> tuple[Tool, ...]:
        """Tools that it cannot do without."""
        return ()

    def ordered(self) -> bool:
        """True where the order of the records matters."""
        return False

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """The records made of those in `part`, which are some of `every`.

        Build each by `derive`. An output of a record in `part` may depend on the set of all, not on the other records
        in `part`.
        """
        ...


def derive(builder: Builder, tools: Tools, fields: JsonMapping, *sources: Record, number: int = 0) -> Record:
    """A record that `builder` made of `sources`.

    Args:
        builder: who made it.
        tools: with which seed; the tools that the builder asks are named, too.
        fields: its columns.
        sources: what it was made of.
        number: tells records of the same fields and sources apart.
    """
    used = {name: getattr(tools, name) for name in builder.asks()}
    asked = {name: tool.name for name, tool in used.items() if tool is not None}
    ids = tuple(source.id for source in sources)
    return built(fields, Origin(ids, settings_of(builder), tools.seed, asked, number))


@functools.lru_cache(maxsize=8)
def settings_of(builder: Builder) -> JsonMapping:
    """The builder's settings, as a file gives them back."""
    return msgspec.json.decode(msgspec.json.encode(encode(builder)))
