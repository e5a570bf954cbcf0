"""A build under way: the records that are built, step by step."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.core import require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.data.builder import Builder, Tools
from steelyard.data.record import Record, records_of, row_of
from steelyard.reward.pool import Closable
from steelyard.task.files import read_rows

BUILT = "records.jsonl"
STATE = "building.json"


@dataclass
class BuildingWork:
    """A `Work` whose steps build from so many records each."""

    builder: Builder
    """Who builds."""
    every: Sequence[Record]
    """What it builds from."""
    tools: Tools
    """Whom it asks."""
    batch: int
    """Records in a step."""
    num_steps: int
    """Steps to make in all."""
    facts: JsonMapping
    """The data in numbers."""
    steps: int = 0
    """Steps that are made."""
    built: list[Record] = field(default_factory=list)
    """What is built, in the order of its sources."""

    def step(self) -> JsonObject:
        """Build from the next records."""
        part = self.every[self.steps * self.batch : (self.steps + 1) * self.batch]
        made = self.builder.build(part, self.every, self.tools)
        self.built += made
        self.steps += 1
        return {"data/used": len(part), "data/built": len(made)}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """How far it is."""
        used = min(self.steps * self.batch, len(self.every))
        return {"eval/built": len(self.built), "eval/used": used}, []

    def save(self, directory: Path) -> None:
        """Write what is built, and from what."""
        _write(directory / BUILT, self.built)
        state = {"steps": self.steps, "sources": [record.id for record in self.every]}
        (directory / STATE).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what was written.

        Raises:
            SteelyardError: the rows are not those that the run began with.
        """
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        same = state["sources"] == [record.id for record in self.every]
        hint = "put the file back as it was, or begin a new run"
        require(same, "the rows have changed since the run began", where="--rows", hint=hint)
        self.steps = state["steps"]
        rows = read_rows(str(directory / BUILT)) if (directory / BUILT).stat().st_size else []
        self.built = records_of(rows)

    def save_model(self, directory: Path) -> None:
        """Write the records, one to a line."""
        directory.mkdir(parents=True)
        _write(directory / BUILT, self.built)

    def close(self) -> None:
        """End the judge's process."""
        if isinstance(self.tools.judge, Closable):
            self.tools.judge.close()


def _write(path: Path, records: Sequence[Record]) -> None:
    lines = (json.dumps(row_of(record), ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
