"""Building data as a job: `steelyard train efl --rows rows.jsonl` writes RUN/data/records.jsonl.

Each step builds from the next rows. A run that was killed and resumed writes the same file, byte for byte, as one that
was not; it refuses to go on over rows that have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegative, PositiveInt, Sampling, SteelyardError, checked, require
from steelyard.core.columns import check_row
from steelyard.core.job import DrivenSettings
from steelyard.core.json import JsonObject, check_json
from steelyard.data.builder import Builder, Judge, Tool, Tools
from steelyard.data.efl import EFL
from steelyard.data.judges import KeptBy, judge_of, tried
from steelyard.data.reader import PolicyReader
from steelyard.data.record import COLUMN, Record, records_of
from steelyard.data.worded import PLAIN, WordedJudge, WordedWriter
from steelyard.data.work import BuildingWork
from steelyard.data.writer import PolicyWriter
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.meta_model import local_directory, meta_policy
from steelyard.task.files import read_rows
from steelyard.task.wording import Wording

PRODUCT = "data"
ASKED: Mapping[Tool, str] = {
    "generator": "name a model that writes texts",
    "judge": "name a function, or a reward model",
    "reader": "name the model that is to be tuned",
}
"""Who may be asked, and what to do where nobody is named."""


@checked()
@dataclass(frozen=True)
class Building(DrivenSettings):
    """Build records from the rows of a file."""

    OWN_DATA: ClassVar[str] = "--rows labelled.jsonl"

    builder: Annotated[Builder, tyro.conf.OmitArgPrefixes] = field(default_factory=EFL)
    """How."""
    rows: str = ""
    """JSONL or Parquet file of the rows to build from; a file that another builder wrote keeps its history."""
    generator: str = ""
    """Model that writes texts, for a builder that asks one: a directory, a shipped model or a hub id."""
    judge: str = ""
    """Who rates texts, for a builder that asks: module:function, path/to/file.py:function, or reward-model:RUN."""
    constraint: str = ""
    """What a text must keep for the judge to be asked about it: guard:RUN, or a function that gives more than 1/2."""
    reader: str = ""
    """Model whose hidden states are read, for a builder that asks one: a directory, a shipped model or a hub id."""
    device: Device = AUTO
    """Where generator and reader compute: auto, cpu, cuda or cuda:NUMBER."""
    max_completion_length: PositiveInt = 128
    """Most tokens that the generator writes."""
    temperature: NonNegative = 1.0
    """The generator's sampling temperature; 0 is greedy."""
    batch_size: PositiveInt = 64
    """Rows in a step."""
    wording: Wording = field(default_factory=Wording)
    """What stands around a prompt that the generator and the judge get."""

    @property
    def title(self) -> str:
        """What is built from what."""
        return f"{type(self.builder).__name__} on {self.rows}"

    makes: ClassVar[str] = "records"

    @property
    def product(self) -> str:
        """A directory with records.jsonl."""
        return PRODUCT

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, and who is asked."""
        records = self._records()
        self._check_tools()
        self.builder.build([], records, Tools(self.seed))
        asked = {name: getattr(self, name) for name in self.builder.asks()} | self._fetched()
        asked |= {"constraint": self.constraint} if self.constraint else {}
        found = {"data": _facts(records), "steps": {"steps": self._steps(records)}}
        return found | ({"asked": asked} if asked else {})

    def open(self) -> BuildingWork:
        """Read the rows, and load who is asked."""
        records = self._records()
        self._check_tools()
        self.builder.build([], records, Tools(self.seed))
        tools = self._tools()
        return BuildingWork(self.builder, records, tools, self.batch_size, self._steps(records), _facts(records))

    def trained(self, model: Path) -> "Building":
        """There is no model.

        Raises:
            SteelyardError: always.
        """
        raise SteelyardError("builds data: there is no model", where=str(model.parent), hint="look into data/")

    def _records(self) -> list[Record]:
        hint = "name a .jsonl or .parquet file"
        require(bool(self.rows), "is missing", where="--rows", hint=hint)
        rows = [(f"{self.rows}, {place}", row) for place, row in read_rows(self.rows)]
        for place, row in rows:
            check_row(row, self.builder.columns(), place)
            check_json(row, place)
        return records_of(rows)

    def _tools(self) -> Tools:
        """Who is asked, loaded."""
        return Tools(
            self.seed,
            self._writer() if self.generator else None,
            self._judge(),
            PolicyReader(self._policy(self.reader), self.reader) if self.reader else None,
        )

    def judging(self) -> Judge | None:
        """Who judges, loaded; None where nobody is asked."""
        return judge_of(self.judge) if self.judge else None

    def check_judge(self) -> None:
        """Refuse a judge that cannot be one; a reward model is read for that, and a function is not loaded."""
        judge = self.judging()
        if judge is not None:
            tried(judge)

    def models(self) -> list[str]:
        """The models that are asked."""
        return [model for model in (self.generator, self.reader) if model]

    def _writer(self) -> PolicyWriter | WordedWriter:
        sampling = Sampling(self.temperature, self.max_completion_length)
        writer = PolicyWriter(self._policy(self.generator), self.generator, sampling)
        return writer if self.wording == PLAIN else WordedWriter(writer, self.wording)

    def _judge(self) -> Judge | None:
        """Who judges, what the constraint rules out apart."""
        judge = self.judging()
        if judge is None:
            return None
        judge = KeptBy(judge, judge_of(self.constraint, "--constraint")) if self.constraint else judge
        return judge if self.wording == PLAIN else WordedJudge(judge, self.wording)

    def _policy(self, model: str) -> Policy:
        return Policy.load(model).placed(self.device)

    def _fetched(self) -> JsonObject:
        """Looks at the models that are here; returns what the hub is asked for, for the plan."""
        places = {model: local_directory(model) for model in self.models()}
        for place in filter(None, places.values()):
            meta_policy(place)
        away = ", ".join(model for model, place in places.items() if place is None)
        return {"fetches": away} if away else {}

    def _check_tools(self) -> None:
        check_device(self.device)
        for name, what in ASKED.items():
            asked = name in self.builder.asks()
            given = bool(getattr(self, name))
            said = "is missing" if asked else f"is given, and {type(self.builder).__name__} asks none"
            require(asked == given, said, where=f"--{name}", hint=what if asked else "leave it out")
        self.check_judge()
        needless = bool(self.constraint) and not self.judge
        require(not needless, "is given, and there is no judge", where="--constraint", hint="leave it out")
        if self.constraint:
            tried(judge_of(self.constraint, "--constraint"))

    def _steps(self, records: Sequence[Record]) -> int:
        whole = -(-len(records) // self.batch_size)
        return min(self.max_steps or whole, whole)


def _facts(records: Sequence[Record]) -> JsonObject:
    columns = sorted({name for record in records for name in record.fields} - {COLUMN})
    told = sum(record.origin is not None for record in records)
    notes = {"rows that a builder made, whose history is kept": told} if told else {}
    return {"rows": len(records), "columns": ", ".join(columns), "notes": notes}
