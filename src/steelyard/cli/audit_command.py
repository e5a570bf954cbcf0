"""`steelyard audit ID --model DIR --data FILE`: what a model does on rows or images of one's own, as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from steelyard.check import import_rooms
from steelyard.cli.flags import choose, parse
from steelyard.core import cards, find, require
from steelyard.core.table import Table
from steelyard.diffusion.diffusion_audit import DiffusionAuditor
from steelyard.diffusion.images import read_images
from steelyard.diffusion.saved import read_diffusion
from steelyard.experiments.harness.table import show
from steelyard.guard.guard_audit import GuardAuditor
from steelyard.guard.saved import Source
from steelyard.model.intervention_file import read_intervention
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.task.files import read_rows

PURPOSE = (
    "Audit a model or a guard on rows of your own: a table of named rows and columns with units. It stays as it is.\n"
    "A run's model is in RUN/model, so an audit before and after is two commands."
)
ENDINGS = (".csv", ".json")


@dataclass(frozen=True)
class Ask:
    """Audit a model on rows of your own."""

    auditor: Annotated[Auditor, tyro.conf.OmitArgPrefixes]
    """How."""
    model: str = ""
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    data: str = ""
    """JSONL or Parquet file of the rows."""
    intervention: str | None = None
    """Directory of an intervention that changes the model's hidden states: RUN/model of `steelyard train eco`."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format that the weights are loaded in."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    output: str | None = None
    """Also write the table to this file, which is not there yet: .csv, or .json with units and help."""

    def table(self, rows: Sequence[PlacedRow]) -> Table:
        """What it says of the model."""
        policy = Policy.load(self.model, dtype=self.dtype).placed(self.device)
        if self.intervention is not None:
            policy.intervene(read_intervention(Path(self.intervention)))
        return self.auditor.audit(policy, rows)


@dataclass(frozen=True)
class AskOfGuard:
    """Audit a guard on rows of your own."""

    auditor: Annotated[GuardAuditor, tyro.conf.OmitArgPrefixes]
    """How."""
    model: str = ""
    """The run of a guard, or a sequence classifier (directory or hub id)."""
    model_label: str = ""
    """The classifier's label that means harm; empty for one that is named so."""
    data: str = ""
    """JSONL or Parquet file of the rows."""
    device: Device = AUTO
    """Where a classifier computes: auto, cpu, cuda or cuda:NUMBER."""
    output: str | None = None
    """Also write the table to this file, which is not there yet: .csv, or .json with units and help."""

    def table(self, rows: Sequence[PlacedRow]) -> Table:
        """What it says of the guard."""
        return self.auditor.audit_guard(Source(self.model, self.model_label).load("--model", self.device), rows)


@dataclass(frozen=True)
class AskOfDiffusion:
    """Audit a diffusion model on images of your own."""

    auditor: Annotated[DiffusionAuditor, tyro.conf.OmitArgPrefixes]
    """How."""
    model: str = ""
    """RUN/model of steelyard train ddpm, sfd or esd."""
    data: str = ""
    """.npz file with `images` [N, ...], `labels` [N], and `prompts` [C], what is said for each class."""
    output: str | None = None
    """Also write the table to this file, which is not there yet: .csv, or .json with units and help."""

    def table(self) -> Table:
        """What it says of the model."""
        return self.auditor.audit_diffusion(read_diffusion(Path(self.model)), read_images(self.data))


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print the table, and write it where --output says."""
    import_rooms()
    known = {
        card.id: card.summary for card in cards() if isinstance(card.cls(), Auditor | GuardAuditor | DiffusionAuditor)
    }
    name = choose(words, known, command="audit", what="ID", purpose=PURPOSE)
    auditor: Any = find(name).cls()
    ask = _ask(auditor)
    asked = parse(type(ask), words[1:], command=f"audit {name}", default=ask, description=known[name])
    require(bool(asked.model), "is missing", where="--model", hint="name a directory, a shipped model or a hub id")
    require(bool(asked.data), "is missing", where="--data", hint="name a file of your data")
    output = None if asked.output is None else _output(asked.output)
    table = _table(asked)
    _print(name, asked, table)
    if output is not None:
        output.write_text(_text(table, output), encoding="utf-8")
        print(f"written: {output}")
    return {"audit": name, "model": asked.model, "data": asked.data, "output": asked.output, **table.data()}


def _ask(auditor: Any) -> "Ask | AskOfGuard | AskOfDiffusion":
    if isinstance(auditor, DiffusionAuditor):
        return AskOfDiffusion(auditor)
    return AskOfGuard(auditor) if isinstance(auditor, GuardAuditor) else Ask(auditor)


def _table(asked: "Ask | AskOfGuard | AskOfDiffusion") -> Table:
    if isinstance(asked, AskOfDiffusion):
        return asked.table()
    check_device(asked.device)
    return asked.table([(f"{asked.data}, {place}", row) for place, row in read_rows(asked.data)])


def _output(name: str) -> Path:
    path = Path(name)
    hint = f"name a file that ends in {' or '.join(ENDINGS)}"
    require(path.suffix in ENDINGS, f"is {name!r}", where="--output", hint=hint)
    require(not path.exists(), f"{name} is there already", where="--output", hint="name another file")
    require(path.parent.is_dir(), f"there is no directory {path.parent}", where="--output", hint="make it first")
    return path


def _print(name: str, asked: Ask | AskOfGuard | AskOfDiffusion, table: Table) -> None:
    """One line for each measure: its names are longer than those of the rows, which stand side by side."""
    cells = [[m.name, m.unit, *(_cell(numbers[i]) for _, numbers in table.rows)] for i, m in enumerate(table.measures)]
    show(f"{name} of {asked.model} on {asked.data}", ["", "unit", *(row for row, _ in table.rows)], cells)


def _cell(number: float | int | None) -> str:
    return "" if number is None else f"{number:,}" if isinstance(number, int) else f"{number:.4f}"


def _text(table: Table, output: Path) -> str:
    return table.csv() if output.suffix == ".csv" else json.dumps(table.data(), indent=2) + "\n"
