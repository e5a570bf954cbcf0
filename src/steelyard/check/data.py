"""Checks for data builders: what they build is a function of the records, the settings and the seed, and says so."""

import copy
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec
import numpy as np
import torch

from steelyard.check.verdict import Check, demand
from steelyard.core import SteelyardError, decode
from steelyard.core.columns import Column
from steelyard.core.json import JsonObject
from steelyard.data import Builder, Comparison, Origin, Overlap, Question, Record, Tools, ancestors, records_of, row_of
from steelyard.policy.text import Text

N = 12
_LABELS = ("red", "green", "blue")


class _Echo:
    """A generator whose answers follow from the question and the seed."""

    name = "echo"

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        return [f"{q.prompt[-20:]} {'/'.join(q.address)} {q.sample} {seed}" for q in questions]


class _Length:
    name = "length"

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        return [len(completion) / (1 + len(prompt)) for prompt, completion in zip(prompts, completions, strict=True)]


class _Letters:
    """A reader to whom completions are alike where they share letters."""

    name = "letters"

    def __call__(self, comparisons: Sequence[Comparison]) -> list[Overlap]:
        return [self._overlap(Counter(c.chosen), Counter(c.rejected)) for c in comparisons]

    def _overlap(self, chosen: Counter[str], rejected: Counter[str]) -> Overlap:
        dot, square = (sum(chosen[letter] * other[letter] for letter in chosen) for other in (rejected, chosen))
        return Overlap(float(dot), float(square), chosen.total(), rejected.total())


def _tools(seed: int = 3) -> Tools:
    return Tools(seed, _Echo(), _Length(), _Letters())


def _records(builder: Builder) -> list[Record]:
    """Twelve rows with the columns that the builder reads."""
    rows = [{column.name: _value(column, i) for column in builder.columns()} for i in range(N)]
    return records_of((f"row {i}", row) for i, row in enumerate(rows))


def _value(column: Column, i: int) -> object:
    text = f"{column.name} {i}: a {['small', 'big'][i % 2]} {_LABELS[i % 3]} box lies on table {i // 2}"
    labels = column.labels or _LABELS
    kinds = {"label": labels[i % len(labels)], "number": i / N, "texts": [text, f"{text} again"]}
    return kinds.get(column.kind, text)


def _built(builder: Builder, tools: Tools | None = None) -> list[Record]:
    records = _records(builder)
    return builder.build(records, records, tools or _tools())


def _rows(records: Sequence[Record]) -> list[JsonObject]:
    return [row_of(record) for record in records]


def data_records(builder: Builder) -> None:
    """Twelve rows with the columns that it reads give records, each with an id of its own."""
    found = _built(builder)
    demand(len(found) > 0, f"{N} rows give no record")
    demand(len({record.id for record in found}) == len(found), "two records have one id")
    demand(builder.build([], _records(builder), _tools()) == [], "no records give some")


def data_provenance(builder: Builder) -> None:
    """Each record says of which records it was made, by which settings and seed; none is its own ancestor."""
    sources = _records(builder)
    found = _built(builder)
    known = {record.id for record in (*sources, *found)}
    for record in found:
        demand(record.origin is not None, f"the record {record.id} has no origin")
        assert record.origin is not None
        _check_origin(record.origin, builder, known)
        demand(record.id not in ancestors(record, found), f"the record {record.id} is its own ancestor")


def _check_origin(origin: Origin, builder: Builder, known: set[str]) -> None:
    demand(bool(origin.sources), "a record names no sources")
    strangers = set(origin.sources) - known
    demand(not strangers, f"a record names sources that are not there: {', '.join(sorted(strangers))}")
    demand(
        decode(dict(origin.builder), type(builder)) == builder, "a record names other settings than those that made it"
    )
    demand(origin.seed == _tools().seed, f"a record names the seed {origin.seed}, and it was {_tools().seed}")
    named = {name: getattr(_tools(), name).name for name in builder.asks()}
    demand(origin.asked == named, f"a record says that {dict(origin.asked)} was asked, and it was {named}")


def data_rebuilt(builder: Builder) -> None:
    """From its origin alone a record is built again: the settings from JSON, and its sources."""
    sources = {record.id: record for record in _records(builder)}
    record = _built(builder)[-1]
    assert record.origin is not None
    again = decode(msgspec.json.decode(msgspec.json.encode(record.origin.builder)), type(builder))
    part = [sources[id] for id in record.origin.sources if id in sources]
    found = again.build(part, [*sources.values()], _tools())
    demand(record in found, "its settings and sources do not build it again")


def data_repeatable(builder: Builder) -> None:
    """Two calls agree, whatever the global generators are at; those of numpy and torch are left alone."""
    first = _built(builder)
    random.random()
    np.random.random()
    torch.rand(1)
    states = _global_states()
    again = _built(builder)
    demand(first == again, "two calls differ")
    demand(_global_states() == states, "it draws from a global generator of numpy or torch")
    demand({row["record"]["seed"] for row in _rows(_built(builder, _tools(4)))} == {4}, "another seed is not named")


def _global_states() -> tuple[str, list[int]]:
    """Python's own generator is left out: a checker of types may draw from it."""
    kind, keys, *rest = np.random.get_state()
    return f"{kind} {np.asarray(keys).tolist()} {rest}", torch.get_rng_state().tolist()


def data_untouched(builder: Builder) -> None:
    """The records are only read."""
    records = _records(builder)
    before = copy.deepcopy(records)
    builder.build(records, records, _tools())
    demand(records == before, "it changes the records that it is given")


def data_parts(builder: Builder) -> None:
    """Built in parts, a file is what it is when built at once."""
    records = _records(builder)
    pieces = [builder.build(records[i : i + 5], records, _tools()) for i in range(0, N, 5)]
    demand([record for piece in pieces for record in piece] == _built(builder), "built in parts, it is another file")


def data_order(builder: Builder) -> None:
    """The order of the records changes nothing but the order of what is built, unless it says `ordered`."""
    if builder.ordered():
        return
    turned = _records(builder)[::-1]
    found = builder.build(turned, turned, _tools())
    same = sorted(record.id for record in found) == sorted(record.id for record in _built(builder))
    demand(same, "in another order, other records are built")


def data_json(builder: Builder) -> None:
    """What is built comes back from a file as it was."""
    found = _built(builder)
    lines = [msgspec.json.decode(msgspec.json.encode(row)) for row in _rows(found)]
    demand(records_of((f"line {i}", line) for i, line in enumerate(lines)) == found, "a file gives back other records")


def data_tools(builder: Builder) -> None:
    """Without a tool that it asks, it is refused in one line."""
    for name in builder.asks():
        tools = replace(_tools(), **{name: None})
        try:
            _built(builder, tools)
        except SteelyardError:
            continue
        demand(False, f"it says that it asks a {name}, and builds without one")
    if not builder.asks():
        demand(_built(builder, Tools(3)) == _built(builder), "it uses a tool that it does not say it asks")


DATA_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "data-records": data_records,
        "data-provenance": data_provenance,
        "data-rebuilt": data_rebuilt,
        "data-repeatable": data_repeatable,
        "data-untouched": data_untouched,
        "data-parts": data_parts,
        "data-order": data_order,
        "data-json": data_json,
        "data-tools": data_tools,
    }
)
