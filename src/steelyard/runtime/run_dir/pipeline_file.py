"""pipeline.json: what a pipeline is, and what each of its stages has come to."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.runtime.run_dir.disk import put, writing

PIPELINE = "pipeline.json"
RunName = Annotated[str, Meta(pattern=r"^[1-9][0-9]*-[a-z0-9-]+$")]
Count = Annotated[int, Meta(ge=0)]


class StageRows(msgspec.Struct):
    """The rows of a stage in numbers."""

    train: Count
    held_out: Count
    files: dict[str, int]
    """File of the user's -> rows taken of it."""
    notes: dict[str, int]
    """How many rows were left out, by why."""


class StageState(msgspec.Struct):
    """A stage so far."""

    name: str
    run: RunName
    """Its run directory, inside the pipeline's."""
    data: StageRows
    state: Literal["waiting", "begun", "done"] = "waiting"
    result: JsonObject | None = None
    """What its run came to, once it is done."""


class PipelineState(msgspec.Struct):
    """The contents of pipeline.json; all but `stages` is written once, as config.json is for a run."""

    recipe: str
    seed: int
    run: JsonObject
    """The settings, as `steelyard.core.encode` writes them."""
    stages: list[StageState]
    command: list[str] | None = None
    version: str = ""
    commit: str | None = None
    machine: Any = None


def read_pipeline_file(directory: Path) -> PipelineState:
    """What the pipeline.json of a directory says.

    Raises:
        SteelyardError: there is none, or it is damaged.
    """
    file = directory / PIPELINE
    try:
        return msgspec.json.decode(file.read_bytes(), type=PipelineState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "name the directory of a pipeline; if this one is damaged, its stages are still runs of their own"
        raise SteelyardError(f"is no {PIPELINE} ({error})", where=str(file), hint=hint) from error


def begun_stages(directory: Path) -> list[Path]:
    """The run directories of a pipeline's stages that have begun, in their order.

    Raises:
        SteelyardError: its file is damaged.
    """
    places = [directory / stage.run for stage in read_pipeline_file(directory).stages]
    return [place for place in places if (place / "config.json").is_file()]


def write_pipeline_file(directory: Path, state: PipelineState) -> None:
    """Write pipeline.json, whole or not at all.

    Raises:
        FaultError: the disk does not take it.
    """
    with writing(directory / PIPELINE):
        put(directory / PIPELINE, msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
