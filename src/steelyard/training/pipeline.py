"""A pipeline: jobs in an order, each on the model that the one before it wrote.

A pipeline is a frozen dataclass with a field `given`, which holds what its user names (the model, the files of each
stage), and a field for the settings of each stage: a `Run`, or a job that takes `path` and `held_out`. What belongs to
the whole pipeline is named in `given` and nowhere else.

    OUT/pipeline.json            settings, the data in numbers, and what each stage has come to
    OUT/data/N-STAGE*.jsonl      what stage N learns from, and what it is measured by
    OUT/N-STAGE/                 a run directory as any other
    OUT/report.html              the stages side by side
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from steelyard.core import Dataclass, PositiveInt, Seed, Share, checked, require
from steelyard.core.job import Job
from steelyard.runtime import Run

_OF_ALL = ("model", "seed", "output_dir", "reward")
"""Settings of a stage that are given for the whole pipeline."""


@checked()
@dataclass(frozen=True)
class PipelineSettings:
    """What the user of any pipeline names."""

    model: str = ""
    """The model that the first stage begins with: a directory, a model shipped with the package (steelyard/NAME), or a
    hub id."""
    output_dir: str | None = None
    """The pipeline's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    seed: Seed = 0
    """Seed of every random draw of every stage."""
    overlap_words: PositiveInt = 8
    """n: training prompts are compared with all held-out prompts by their runs of n words."""
    max_overlap: Share = 0.5
    """Share of a held-out prompt's words that may stand in such runs of a training prompt; a row with more is left out
    and counted. 1 leaves out only rows whose prompt is held out itself."""


@dataclass(frozen=True)
class Stage:
    """One job of a pipeline."""

    name: str
    """Of the stage: its settings are flags --NAME.SETTING."""
    flag: str
    """The flag that names its files."""
    files: Sequence[str]
    """FILE or FILE=SHARE, each."""
    settings: Any
    """A `Run`, or a `Job` with `path` and `held_out`; without model, files and directory."""

    @property
    def rows(self) -> Any:
        """What of the settings reads the files: the job itself, or the innermost task of a run."""
        if not isinstance(self.settings, Run):
            return self.settings
        task: Any = self.settings.task
        while (inner := getattr(task, "task", None)) is not None:
            task = inner
        return task

    @property
    def prompt_column(self) -> str:
        """The column of the prompt; empty for the usual ones."""
        rows = self.rows
        return (rows.columns if isinstance(self.settings, Run) else rows.file.columns).prompt

    def on(self, *, model: str, path: str, held_out: str, output_dir: str, seed: int) -> Run | Job:
        """The job on this model and these files."""
        settings = self.settings
        files = {"path": path, "held_out": held_out}
        own = {"task": _with_files(settings.task, files)} if isinstance(settings, Run) else files
        return replace(settings, model=model, output_dir=output_dir, seed=seed, **own)

    def title(self, settings: Run | Job) -> str:
        """What the stage does, in a line."""
        if isinstance(settings, Run):
            return f"{type(settings.task).__name__} with {type(settings.objective).__name__}; model {settings.model}"
        return settings.title


@runtime_checkable
class Pipeline(Dataclass, Protocol):
    """Settings of a pipeline: a frozen dataclass."""

    @property
    def given(self) -> PipelineSettings:
        """What its user names."""
        ...

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        ...

    def stages(self) -> Sequence[Stage]:
        """The stages in order."""
        ...


def check_stages(stages: Sequence[Stage]) -> None:
    """Refuse what is set for one stage and belongs to the whole pipeline, or to the flag of its files.

    Raises:
        SteelyardError: a stage has a model, a seed, a directory, a reward or a file of its own.
    """
    for stage in stages:
        settings = stage.settings
        for name in _OF_ALL:
            usual = 0 if name == "seed" else "" if name == "model" else None
            _refuse(getattr(settings, name, usual) == usual, stage, name, f"--{name.replace('_', '-')}")
        _refuse(stage.rows.path == "", stage, "path", stage.flag)


def _refuse(usual: bool, stage: Stage, name: str, flag: str) -> None:
    where = f"--{stage.name}.{name.replace('_', '-')}"
    require(usual, "is set for one stage, and belongs to the pipeline", where=where, hint=f"use {flag}")


def _with_files(task: Any, files: dict[str, str]) -> Any:
    """The task on other files; one that holds another hands them on."""
    inner = getattr(task, "task", None)
    return replace(task, **files) if inner is None else replace(task, task=_with_files(inner, files))
