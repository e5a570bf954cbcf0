"""Everything of a pipeline that can be checked before its first step, and its plan: `steelyard train tulu3 --dry-run`.

The stages' rows are prepared in a temporary directory, and each stage is planned on them as a run of its own. Later
stages are planned on the model that the first begins with: theirs is of the same kind, and not there yet.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.core.job import Job
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime import Run
from steelyard.runtime.run_dir.records import check_output
from steelyard.training.pipeline import Pipeline, Stage
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.stage_data import HELD_OUT, StageData, names_of, prepare, write

DATA = "data"
_OF_THE_WHOLE = ("--model", "--seed", "--output-dir", "--reward", "--resume", "--debug", "--json")
_FLAG = re.compile(r"(?<![\w/.-])--[a-z][a-z0-9-]*(\.[a-z0-9-]+)*")
_ALSO = re.compile(r" \(also in line [^)]*\)")


@dataclass(frozen=True)
class Prepared:
    """A pipeline that can start."""

    data: Mapping[str, StageData]
    """The rows of each stage."""
    files: Path
    """A temporary directory with the stages' files."""
    plans: Mapping[str, JsonObject]
    """The plan of each stage."""


@contextmanager
def prepared(pipeline: Pipeline, name: str, directory: Path) -> Iterator[Prepared]:
    """The pipeline's data, and the plan of each stage, for as long as the `with` lasts; nothing else is written.

    Args:
        pipeline: the settings.
        name: the recipe's name.
        directory: where the pipeline is to run.

    Raises:
        SteelyardError: it could not start, as far as that can be known without training. What is wrong with a row names
            the user's file, and what is wrong with a setting of a stage its flag, --STAGE.SETTING.
    """
    require(bool(pipeline.given.model), "is missing", where="--model", hint="name a directory, or a hub id")
    stages = pipeline.stages()
    data = prepare(stages, pipeline.given)
    with tempfile.TemporaryDirectory() as place:
        files = Path(place)
        places = write(stages, data, files)
        plans: dict[str, JsonObject] = {}
        for number, stage in enumerate(stages, start=1):
            settings = on_files(stage, number, files, pipeline.given.model, directory, pipeline.seed)
            try:
                found = plan(settings, f"{name}, stage {stage.name}")
            except SteelyardError as error:
                raise _told(error, stage, places) from error
            plans[stage.name] = _later(found, files, directory, stages, number)
        yield Prepared(data, files, plans)


def on_files(stage: Stage, number: int, files: Path, model: str, directory: Path, seed: int) -> Run | Job:
    """The job of a stage, on a model and on the files of a directory."""
    path, held_out = names_of(number, stage)
    return stage.on(
        model=model,
        path=str(files / path),
        held_out=str(files / held_out),
        output_dir=str(directory / run_name(number, stage)),
        seed=seed,
    )


def run_name(number: int, stage: Stage) -> str:
    """The name of a stage's run directory."""
    return f"{number}-{stage.name}"


def plan_pipeline(pipeline: Pipeline, name: str) -> JsonObject:
    """The plan of a pipeline, as JSON values.

    Args:
        pipeline: the settings.
        name: the recipe's name.

    Raises:
        SteelyardError: the pipeline could not start, as far as that can be known without training.
    """
    directory = pipeline.given.output_dir or f"runs/{name}-TIME"
    if pipeline.given.output_dir is not None:
        check_output(Path(directory))
    with prepared(pipeline, name, Path(directory)) as ready:
        data = {stage: one.facts() for stage, one in ready.data.items()}
        return {"dry_run": True, "recipe": name, "output_dir": directory, "data": data, "stages": dict(ready.plans)}


def pipeline_lines(planned: JsonMapping) -> list[str]:
    """The lines of a plan that `plan_pipeline` made."""
    lines = [f"plan of {planned['recipe']}, into {planned['output_dir']}; nothing was trained, downloaded or written"]
    for number, (name, found) in enumerate(planned["stages"].items(), start=1):
        lines.append(f"stage {number} of {len(planned['stages'])}, {name}, into {found['output_dir']}")
        lines += [f"  {line}" for line in (*data_lines(planned["data"][name]), *plan_lines(found)[1:])]
    return lines


def data_lines(facts: JsonMapping) -> list[str]:
    """The lines on a stage's rows: how many are taken of each file, and what is left out."""
    files = ", ".join(f"{number:,} of {file}" for file, number in facts["files"].items())
    rows = f"rows: {files}; {facts['train']:,} to train on, {facts['held_out']:,} held out"
    return [rows, *(f"  {number:,} {what}" for what, number in facts["notes"].items())]


def _later(found: JsonObject, files: Path, directory: Path, stages: Sequence[Stage], number: int) -> JsonObject:
    """The plan with the names that files and model have once the pipeline runs."""
    settings = {flag: _moved(value, files, directory / DATA) for flag, value in found["settings"].items()}
    if number > 1:
        settings["--model"] = str(directory / run_name(number - 1, stages[number - 2]) / "model")
    return found | {"settings": settings}


def _moved(value: object, old: Path, new: Path) -> object:
    return value.replace(str(old), str(new)) if isinstance(value, str) else value


def _told(error: SteelyardError, stage: Stage, places: Mapping[str, Sequence[str]]) -> SteelyardError:
    """The error of a stage in the words of the pipeline's user."""
    where, what, hint = (_renamed(text, stage, places) for text in (error.where, error.what, error.hint))
    return type(error)(what, where=where, hint=hint)


def _renamed(text: str, stage: Stage, places: Mapping[str, Sequence[str]]) -> str:
    """A text with places in the user's own files, and with the flags of the pipeline."""
    text = _ALSO.sub("", text)
    for path, lines in places.items():
        row = re.compile(re.escape(path) + r", line (\d+)")
        text = row.sub(lambda found, lines=lines: lines[int(found[1]) - 1], text)
        held = ", held out" if path.endswith(HELD_OUT) else ""
        text = text.replace(path, f"{stage.flag} {' '.join(stage.files)}{held}")
    return _FLAG.sub(lambda found: _flag_of(found[0], stage), text)


def _flag_of(flag: str, stage: Stage) -> str:
    if flag == "--path":
        return stage.flag
    return flag if flag in (*_OF_THE_WHOLE, stage.flag) else f"--{stage.name}.{flag.removeprefix('--')}"
