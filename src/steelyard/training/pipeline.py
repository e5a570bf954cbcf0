"""A pipeline: jobs in an order, each on what those before it made.

A pipeline is a frozen dataclass with a field `given`, which holds what its user names (the model, the files of each
stage), and a field for the settings of each kind of stage: a `Run`, or a job. What belongs to the whole pipeline is
named in `given` and nowhere else. A stage names what earlier ones make (`training/products.py`): `uses` fills its
settings, and `records` joins its rows. By default its model is that of the newest stage before it that makes one.

    OUT/pipeline.json            settings, the data in numbers, and what each stage has come to
    OUT/data/N-STAGE*.jsonl      what stage N learns from, and what it is measured by
    OUT/N-STAGE/                 a run directory as any other
    OUT/report.html              the stages side by side
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

from steelyard.core import Dataclass, PositiveInt, Seed, Share, checked, derive, require
from steelyard.core.job import Job
from steelyard.runtime import Run
from steelyard.training.products import GIVEN, Kind, Used, each, kind_of, model_of

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
class Part:
    """Some of the rows of a stage's files: those whose number, modulo `of`, is from `first` to before `end`."""

    first: int
    end: int
    of: int


@dataclass(frozen=True)
class Stage:
    """One job of a pipeline."""

    name: str
    """Of the stage, and of its run directory."""
    flag: str
    """The flag that names its files."""
    files: Sequence[str]
    """FILE or FILE=SHARE, each."""
    settings: Any
    """A `Run` or a `Job`, without model, files and directory."""
    flags: str = ""
    """The word before its settings on the command line, --WORD.SETTING; empty for its name."""
    uses: Mapping[str, Used] = field(default_factory=dict)
    """Setting -> what of an earlier stage it is filled with."""
    records: Sequence[str] = ()
    """Earlier stages whose records it learns from, beside its files or alone."""
    held_out_of: str = ""
    """An earlier stage by whose held-out rows it is measured; empty to hold rows of its own files out."""
    part: Part | None = None
    """Which of the rows to learn from it takes; None for all."""
    variant: int = 0
    """Tells stages of equal settings and data apart: their seeds differ."""

    @property
    def word(self) -> str:
        """The word before its settings on the command line."""
        return self.flags or self.name

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
    def path_setting(self) -> str:
        """The setting that names the file of its rows; empty where it reads none."""
        named = {f.name for f in fields(self.rows)}
        return next((name for name in ("path", "rows") if name in named), "")

    @property
    def holds_out(self) -> bool:
        """Whether it is measured by rows of a file."""
        return any(f.name == "held_out" for f in fields(self.rows))

    @property
    def columns(self) -> Any:
        """Which column of its rows plays which role; None where the names are fixed."""
        return self.rows.columns if isinstance(self.settings, Run) else getattr(self._file, "columns", None)

    @property
    def prompt_column(self) -> str:
        """The column of the prompt; empty for the usual ones."""
        return getattr(self.columns, "prompt", "")

    @property
    def _file(self) -> Any:
        return getattr(self.rows, "file", None)

    def on(self, *, path: str, held_out: str, output_dir: str, seed: int, **used: str | tuple[str, ...]) -> Run | Job:
        """The job on these files, with the settings that are filled by what earlier stages made."""
        settings = self.settings
        files = {self.path_setting: path} if self.path_setting else {}
        files |= {"held_out": held_out} if self.holds_out else {}
        own: dict[str, Any] = {"task": _with_files(settings.task, files)} if isinstance(settings, Run) else files
        seed = derive(seed, "variant", self.variant) % 2**31 if self.variant else seed
        return replace(settings, output_dir=output_dir, seed=seed, **used, **own)

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
    """Refuse what is set for one stage and belongs to the whole pipeline, or to the flag of its files; and stages that
    name what no earlier one makes.

    Raises:
        SteelyardError: a stage has a model, a seed, a directory, a reward or a file of its own, or names nothing.
    """
    for stage in stages:
        settings = stage.settings
        for name in _OF_ALL:
            usual = 0 if name == "seed" else "" if name == "model" else None
            _refuse(getattr(settings, name, usual) == usual, stage, name, f"--{name.replace('_', '-')}")
        if stage.path_setting:
            _refuse(getattr(stage.rows, stage.path_setting) == "", stage, stage.path_setting, stage.flag)
    check_products(stages)


def uses_of(stages: Sequence[Stage], number: int) -> Mapping[str, Used]:
    """Setting -> what it is filled with, of the stage of a number from 1; the model among them."""
    stage = stages[number - 1]
    if "model" in stage.uses or not any(f.name == "model" for f in fields(stage.settings)):
        return stage.uses
    makers = [one.name for one in stages[: number - 1] if kind_of(one.settings) == "model"]
    return {"model": model_of(makers[-1]) if makers else GIVEN, **stage.uses}


def check_products(stages: Sequence[Stage]) -> None:
    """Refuse a stage that names what no stage before it makes, or fills a setting that is set.

    Raises:
        SteelyardError: there is one.
    """
    made: dict[str, Kind] = {}
    measured: set[str] = set()
    for stage in stages:
        where = f"stage {stage.name}"
        require(stage.name not in made, "is there twice", where=where, hint="give each stage a name of its own")
        named = {f.name: f for f in fields(stage.settings)}
        for setting, used in stage.uses.items():
            hint = f"fill one of {', '.join(sorted(named))}"
            require(setting in named, f"has no setting {setting!r} to be filled", where=where, hint=hint)
            free = getattr(stage.settings, setting) == named[setting].default
            flag = f"--{stage.word}.{setting.replace('_', '-')}"
            require(free, "is set, and the pipeline fills it", where=flag, hint="leave it out")
            for product in each(used):
                _check_made(product.kind, product.stage, made, where)
        for name in stage.records:
            _check_made("records", name, made, where)
        what = f"is measured as {stage.held_out_of!r} is, and no stage before it holds rows of files out by that name"
        require(stage.held_out_of in {"", *measured}, what, where=where, hint="name an earlier stage that has files")
        made[stage.name] = kind_of(stage.settings)
        if stage.holds_out and not stage.held_out_of:
            measured.add(stage.name)


def _check_made(kind: Kind, name: str, made: Mapping[str, Kind], where: str) -> None:
    if not name:
        return
    hint = f"name one of {', '.join(made)}" if made else "it is the first"
    require(name in made, f"names the {kind} of {name!r}, and no stage before it is called so", where=where, hint=hint)
    hint = f"name its {made[name]}, or another stage"
    require(made[name] == kind, f"names the {kind} of {name!r}, which makes a {made[name]}", where=where, hint=hint)


def _refuse(usual: bool, stage: Stage, name: str, flag: str) -> None:
    where = f"--{stage.word}.{name.replace('_', '-')}"
    require(usual, "is set for one stage, and belongs to the pipeline", where=where, hint=f"use {flag}")


def _with_files(task: Any, files: dict[str, str]) -> Any:
    """The task on other files; one that holds another hands them on."""
    inner = getattr(task, "task", None)
    return replace(task, **files) if inner is None else replace(task, task=_with_files(inner, files))
