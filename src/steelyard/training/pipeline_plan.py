"""Everything of a pipeline that can be checked before its first step, and its plan: `steelyard train tulu3 --dry-run`.

The stages' rows are prepared in a temporary directory, and each stage is planned on them as a run of its own. What
earlier stages are to make is not there yet: models are planned as the one that the first stage begins with, which is of
the same kind, rewards as one that says nothing, and a stage that learns from records alone on the rows of the stage by
which it is measured. The plan shows the names that they will have.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.core.job import Job
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime import Run
from steelyard.runtime.run_dir.records import check_output
from steelyard.training.pipeline import Pipeline, Stage, check_products, uses_of
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.products import Product, each, product_path, value_of
from steelyard.training.stage_data import HELD_OUT, StageData, gathered_name, names_of, prepare, write

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
    model = pipeline.given.model
    require(bool(model), "is missing", where="--model", hint="name a directory, or a hub id")
    stages = pipeline.stages()
    require(bool(stages), "has no stages", where=name, hint="give it one")
    check_products(stages)
    data = prepare(stages, pipeline.given)
    stood = partial(Product.stand_in, model=model)
    with tempfile.TemporaryDirectory() as place:
        files = Path(place)
        places = write(stages, data, files)
        plans: dict[str, JsonObject] = {}
        for number, stage in enumerate(stages, start=1):
            settings = on_files(stages, number, files, directory, pipeline.seed, stood, planned=True)
            try:
                found = plan(settings, f"{name}, stage {stage.name}")
            except SteelyardError as error:
                raise _told(error, stage, places) from error
            named = named_products(stages, number, model, directory)
            plans[stage.name] = _later(found, files, directory, stages, number, named)
        yield Prepared(data, files, plans)


def on_files(
    stages: Sequence[Stage],
    number: int,
    files: Path,
    directory: Path,
    seed: int,
    named: Callable[[Product], str],
    *,
    planned: bool = False,
) -> Run | Job:
    """The job of a stage, on the files of a directory and on what earlier stages made.

    Args:
        stages: of the pipeline.
        number: the stage's, from 1.
        files: where its rows are.
        directory: the pipeline's.
        seed: the pipeline's.
        named: product -> how a setting names it.
        planned: whether records are not there yet.
    """
    stage = stages[number - 1]
    own, held_out = names_of(number, stage)
    path = own if planned or not stage.records else gathered_name(number, stage)
    if planned and stage.records and not stage.files:
        path = names_of(*_measured_as(stages, stage))[0]
    used = {
        setting: tuple(map(named, used)) if isinstance(used, tuple) else named(used)
        for setting, used in uses_of(stages, number).items()
    }
    return stage.on(
        path=str(files / path),
        held_out=str(files / held_out),
        output_dir=str(directory / run_name(number, stage)),
        seed=seed,
        **used,
    )


def named_products(stages: Sequence[Stage], number: int, model: str, directory: Path) -> Mapping[str, str]:
    """Setting -> what it will name once the pipeline runs."""
    named = partial(name_of, stages, model, directory)
    return {setting: " ".join(map(named, each(used))) for setting, used in uses_of(stages, number).items()}


def name_of(stages: Sequence[Stage], model: str, directory: Path, product: Product) -> str:
    """How a setting names a product: the user's model, or what a stage makes in the pipeline's directory."""
    if not product.stage:
        return model
    number, stage = next((n, one) for n, one in enumerate(stages, start=1) if one.name == product.stage)
    return value_of(product, directory / run_name(number, stage), product_path(stage.settings))


def _measured_as(stages: Sequence[Stage], stage: Stage) -> tuple[int, Stage]:
    """The stage with files by whose held-out rows a stage is measured, and its number."""
    found = next((n, one) for n, one in enumerate(stages, start=1) if one.name == stage.held_out_of)
    return found if found[1].files else _measured_as(stages, found[1])


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
        for stage in pipeline.stages():
            data[stage.name] |= {"records": [*stage.records]} if stage.records else {}
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
    taken = [f"{number:,} of {file}" for file, number in facts["files"].items()]
    taken += [f"all records of {name}, which are not made yet" for name in facts.get("records", ())]
    if not taken:
        return []
    rows = f"rows: {', '.join(taken)}; {facts['train']:,} to train on, {facts['held_out']:,} held out"
    return [rows, *(f"  {number:,} {what}" for what, number in facts["notes"].items())]


def _later(
    found: JsonObject, files: Path, directory: Path, stages: Sequence[Stage], number: int, named: Mapping[str, str]
) -> JsonObject:
    """The plan with the names that files and products have once the pipeline runs."""
    stage = stages[number - 1]
    settings = {flag: _moved(value, files, directory / DATA) for flag, value in found["settings"].items()}
    settings |= {f"--{setting.replace('_', '-')}": value for setting, value in named.items()}
    if stage.records:
        settings[f"--{stage.path_setting}"] = str(directory / DATA / gathered_name(number, stage))
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
    if flag in ("--path", stage.flag) or flag == f"--{stage.path_setting}":
        return stage.flag
    return flag if flag in _OF_THE_WHOLE else f"--{stage.word}.{flag.removeprefix('--')}"
