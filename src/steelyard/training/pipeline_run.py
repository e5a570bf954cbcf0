"""Runs a pipeline: its stages one after the other, each a run of its own, with one resume for the whole.

pipeline.json says what each stage has come to: waiting, begun or done. A resume goes on at the first stage that is not
done: inside it from its newest checkpoint, or from its beginning where it has none. Stages that are done stay as they
are. Inline, a pipeline that was killed and resumed ends with the weights of one that was not, bit for bit.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, Stopped, decode, require
from steelyard.core.json import JsonObject
from steelyard.core.lock import Lock
from steelyard.report import write_pipeline_report
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.pipeline_file import (
    PIPELINE,
    PipelineState,
    StageState,
    read_pipeline_file,
    write_pipeline_file,
)
from steelyard.runtime.run_dir.records import LOCK, Watch, check_output, describe
from steelyard.training.pipeline import Pipeline, Stage
from steelyard.training.pipeline_plan import DATA, Prepared, name_of, on_files, prepared, run_name
from steelyard.training.products import Product, product_path
from steelyard.training.run_directory import read_result
from steelyard.training.stage_data import gathered, write_gathered

_PART = ".data.part"
_HINT = "begin a new pipeline; the models of its stages are in its run directories"


@dataclass(frozen=True)
class Driver:
    """How single runs are driven, by `training.train`."""

    train: Callable[..., Any]
    """Begins a run."""
    resume: Callable[..., Any]
    """Goes on with one."""
    watch: Watch | None
    """Called with each row of each stage, and before a stage with "stage" and what it is."""
    report: bool
    """Whether pages are written."""


class PipelineRun:
    """A pipeline that has a directory.

    Args:
        pipeline: the settings.
        directory: where it runs.
        state: the contents of pipeline.json.
        driver: drives its stages.
    """

    def __init__(self, pipeline: Pipeline, directory: Path, state: PipelineState, driver: Driver) -> None:
        self.pipeline = pipeline
        self.directory = directory
        self.state = state
        self.driver = driver
        self.stages = pipeline.stages()

    def carry_out(self) -> JsonObject:
        """Run every stage that is not done; returns the summary.

        Raises:
            Stopped: a signal asked for it; `resume` goes on.
            SteelyardError: a stage could not be carried out.
        """
        for number, (stage, row) in enumerate(zip(self.stages, self.state.stages, strict=True), start=1):
            if row.state != "done":
                if stage.records:
                    self._gather(number, stage, row)
                row.state = "begun"
                self._note()
                row.result = self._carry_out(number, stage)
                row.state = "done"
                self._note()
        return self._summary()

    def _gather(self, number: int, stage: Stage, row: StageState) -> None:
        """Have the records that earlier stages made join the rows of a stage; done again, it changes nothing."""
        records = {name: Path(self._named(Product("records", name))) for name in stage.records}
        data = gathered(self.stages, number, records, self.directory / DATA, self.pipeline.given)
        write_gathered(stage, number, data, self.directory / DATA)
        row.data.train = len(data.train)
        row.data.files |= data.files
        row.data.notes |= data.notes

    def _named(self, product: Product) -> str:
        return name_of(self.stages, self.pipeline.given.model, self.directory, product)

    def _carry_out(self, number: int, stage: Stage) -> JsonObject:
        """The stage's result: begun, gone on with, or found there."""
        place = self.directory / run_name(number, stage)
        if read_result(place) is None:  # else the pipeline was killed before it could note it
            data = self.directory / DATA
            settings = on_files(self.stages, number, data, self.directory, self.pipeline.seed, self._named)
            self._show(number, stage, settings)
            self._drive(place, stage, settings)
        found = read_result(place)
        assert found is not None, "a run that has ended writes its result"
        return found

    def _drive(self, place: Path, stage: Stage, settings: Any) -> None:
        """Begin the stage's run, or go on with it."""
        options = {"watch": self.driver.watch, "report": self.driver.report}
        try:
            if (place / "config.json").is_file():
                self.driver.resume(place, **options)
            else:
                _clear(place)
                self.driver.train(settings, name=f"{self.state.recipe}-{stage.name}", **options)
        except Stopped as stopped:
            what = f"{stopped.what} of stage {stage.name}"
            hint = f"go on with steelyard train --resume {self.directory}"
            signal = stopped.exit_code - 128
            raise Stopped(what, where=str(self.directory), hint=hint, signal=signal) from stopped

    def _show(self, number: int, stage: Stage, settings: Any) -> None:
        if self.driver.watch is not None:
            row = {"number": number, "of": len(self.stages), "name": stage.name, "steps": settings.max_steps}
            self.driver.watch("stage", row | {"title": stage.title(settings)})

    def _note(self) -> None:
        """Write down what the stages have come to."""
        write_pipeline_file(self.directory, self.state)
        if self.driver.report:
            write_pipeline_report(self.directory)

    def _summary(self) -> JsonObject:
        results = {row.name: row.result or {} for row in self.state.stages}
        return {
            "run_dir": str(self.directory),
            "recipe": self.state.recipe,
            "product": f"{self.state.stages[-1].run}/{product_path(self.stages[-1].settings)}",
            "seconds": sum(float(result.get("seconds") or 0) for result in results.values()),
            "stages": results,
        }


def begin(pipeline: Pipeline, name: str, directory: Path, driver: Driver, command: Sequence[str] | None) -> JsonObject:
    """Check everything, make the directory, and run all stages; returns the summary.

    Raises:
        SteelyardError: a setting, a model or a file of any stage is wrong; nothing has been written.
        Stopped, FaultError: as for `training.train`.
    """
    check_output(directory)
    with ExitStack() as held:
        with prepared(pipeline, name, directory) as ready:
            state = _described(pipeline, name, command, ready)
            with writing(directory, SteelyardError):
                directory.mkdir(parents=True, exist_ok=True)
            held.enter_context(_alone(directory))
            write_pipeline_file(directory, state)
            _keep(ready, directory)
        return PipelineRun(pipeline, directory, state, driver).carry_out()


def go_on(directory: Path, driver: Driver) -> JsonObject:
    """Run the stages of a stored pipeline that are not done; returns the summary.

    Raises:
        SteelyardError: it is damaged, is being written, or has reached its end.
        Stopped, FaultError: as for `training.train`.
    """
    _check_unfinished(directory, read_pipeline(directory)[1])  # before anything is written, a lock among it
    with _alone(directory):
        pipeline, state = read_pipeline(directory)
        _check_unfinished(directory, state)
        if not (directory / DATA).is_dir():  # it was killed before its first stage
            with prepared(pipeline, state.recipe, directory) as ready:
                _keep(ready, directory)
        return PipelineRun(pipeline, directory, state, driver).carry_out()


def is_pipeline(directory: Path | str) -> bool:
    """Whether it is the directory of a pipeline."""
    return (Path(directory) / PIPELINE).is_file()


def read_pipeline(directory: Path) -> tuple[Pipeline, PipelineState]:
    """The settings of a stored pipeline, and what its stages have come to.

    Raises:
        SteelyardError: its pipeline.json is damaged.
    """
    state = read_pipeline_file(directory)
    where = str(directory / PIPELINE)
    pipeline = decode(state.run, where=where)
    what = f"holds settings of a {type(pipeline).__name__}"
    require(isinstance(pipeline, Pipeline), what, where=where, hint=_HINT)
    assert isinstance(pipeline, Pipeline)
    named = [(run_name(number, stage), stage.name) for number, stage in enumerate(pipeline.stages(), start=1)]
    same = named == [(row.run, row.name) for row in state.stages]
    require(same, "its stages are not those of its settings", where=where, hint=_HINT)
    return pipeline, state


def _check_unfinished(directory: Path, state: PipelineState) -> None:
    last = directory / state.stages[-1].run
    hint = f"begin a new one, or extend its last stage: steelyard train --resume {last} --max-steps N"
    ended = all(row.state == "done" for row in state.stages)
    require(not ended, "has reached its end", where=str(directory), hint=hint)


def _described(pipeline: Pipeline, name: str, command: Sequence[str] | None, ready: Prepared) -> PipelineState:
    """The contents of pipeline.json before the first stage."""
    stages = [
        {"name": stage.name, "run": run_name(number, stage), "data": ready.data[stage.name].facts()}
        for number, stage in enumerate(pipeline.stages(), start=1)
    ]
    return msgspec.convert({**describe(pipeline, name, command), "stages": stages}, PipelineState)


def _keep(ready: Prepared, directory: Path) -> None:
    """Copy the stages' files into the pipeline's directory, all of them or none."""
    part = directory / _PART
    with writing(directory / DATA):
        if part.exists():
            shutil.rmtree(part)
        shutil.copytree(ready.files, part)
        part.replace(directory / DATA)


def _clear(place: Path) -> None:
    """Remove what a stage leaves that was killed before it had begun: hidden files alone."""
    with writing(place):
        for rest in place.iterdir() if place.is_dir() else ():
            if rest.name.startswith(".") and rest.is_file():
                rest.unlink()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else writes the pipeline inside the `with`."""
    lock = Lock(directory / LOCK, directory)
    try:
        yield
    finally:
        lock.release()
