"""Data builders that each break one check."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.strangers import breaks, sound
from steelyard.core import method
from steelyard.core.columns import Column
from steelyard.data import Builder, Record, Tools, derive


@sound
@method("test-shouted")
@dataclass(frozen=True)
class Shouted(Builder):
    """A stranger's builder.

        y = upper(x)

    Source: this file.
    """  # fmt: skip

    loud: bool = True
    """Shout."""

    def columns(self) -> tuple[Column, ...]:
        return (Column("text"),)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        return [derive(self, tools, self.said(record, every, tools), record) for record in part]

    def said(self, record, every, tools):
        return {"text": record.fields["text"].upper()}


@breaks("data-records")
@dataclass(frozen=True)
class SaysNothing(Shouted):
    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        return []


@breaks("data-provenance")
@dataclass(frozen=True)
class OtherSeed(Shouted):
    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        return super().build(part, every, replace(tools, seed=0))


@breaks("data-rebuilt")
@dataclass(frozen=True)
class CountsCalls(Shouted):
    said_to = []  # noqa: RUF012

    def said(self, record, every, tools):
        self.said_to.append(record.id)
        return {"text": f"{len(self.said_to)}"}


@breaks("data-repeatable")
@dataclass(frozen=True)
class Dices(Shouted):
    def said(self, record, every, tools):
        return {"text": f"{record.fields['text']} {random.random()}"}


@breaks("data-untouched")
@dataclass(frozen=True)
class Scribbles(Shouted):
    def said(self, record, every, tools):
        record.fields["seen"] = True
        return super().said(record, every, tools)


@breaks("data-parts")
@dataclass(frozen=True)
class NumbersTheLines(Shouted):
    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        return [derive(self, tools, {"line": i}, record) for i, record in enumerate(part)]


@breaks("data-order")
@dataclass(frozen=True)
class PointsToTheFirst(Shouted):
    def said(self, record, every, tools):
        return {"text": every[0].fields["text"]}


@breaks("data-json")
@dataclass(frozen=True)
class TakenColumn(Shouted):
    def said(self, record, every, tools):
        return {"record": 1}


@breaks("data-tools")
@dataclass(frozen=True)
class AsksInSecret(Shouted):
    def said(self, record, every, tools):
        return {"text": tools.judge.name if tools.judge else "nobody"}
