"""One encoder for several tasks: `steelyard train unified-m2 --model ENCODER --texts tasks.jsonl`.

    eval/f1           macro-F1 on held-out texts, the mean over tasks; `eval/f1_TASK` is that of one
    eval/right_TASK   share of a task's texts whose label is right

`--model` may be an earlier run of the same: then its encoder learns on, heads of tasks with the same name and labels
stay, and a task that it does not know gets a new one. So a task with few labels learns from an encoder that others have
taught (`--model RUN --texts few.jsonl`), and a single task of a run is tuned further. Heads of tasks that the file does
not have are left behind. `--reward task:RUN:TASK:LABEL` scores completions by the probability of a label.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegativeInt, PositiveInt, checked, require
from steelyard.core.json import JsonObject
from steelyard.guard.macro_f1 import macro_f1
from steelyard.guard.measures import SHOWN
from steelyard.guard.task_texts import TaskFile, Tasks, TaskTexts, counted
from steelyard.guard.unified_guard import Pool, UnifiedGuard, place_of, read_unified
from steelyard.guard.unified_m2 import UnifiedM2
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.device import AUTO, Device, check_device, moved
from steelyard.policy.loading import load_encoder
from steelyard.policy.meta_model import local_directory, told_of


@checked()
@dataclass(frozen=True)
class Unifying(FittingSettings):
    """Fit one encoder on several tasks."""

    OWN_DATA: ClassVar[str] = "--texts tasks.jsonl"
    makes: ClassVar[str] = "guard"

    learning: Annotated[UnifiedM2, tyro.conf.OmitArgPrefixes] = field(default_factory=UnifiedM2)
    """How the tasks learn together."""
    model: str = ""
    """The encoder (directory or hub id), or an earlier run of unified-m2."""
    texts: str = ""
    """JSONL or Parquet file with columns text, label and task."""
    file: Annotated[TaskFile, tyro.conf.OmitArgPrefixes] = field(default_factory=TaskFile)
    """How rows become the texts of tasks, and which are held out."""
    pool: Pool = "first"
    """What a new head reads: the state of the first token, or the mean over all; an earlier run has its own."""
    max_tokens: PositiveInt = 128
    """Tokens after which a text is cut."""
    device: Device = AUTO
    """Where it computes: auto, cpu, cuda or cuda:NUMBER."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
    every_text: Annotated[bool, tyro.conf.Suppress] = False
    """Measure by all texts of the file, and by no part of them."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"{self.model} on the tasks of {self.texts}"

    def measured_on(self, texts: str) -> "Unifying":
        """The same job on all texts of another file."""
        return replace(self, texts=texts, every_text=True)

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the encoder, and how many steps there are."""
        train, _, facts = self.read()
        check_device(self.device)
        return {"data": facts, "model": self._planned(), "steps": {"steps": self._steps(train)}}

    def open(self) -> FittingWork:
        """Read the texts and the encoder, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            known = read_unified(self.fitted, self.device)
            _check_known(known, held_out, self.texts)
            return FittingWork(None, partial(measured_tasks, known, held_out), unwritten, facts)
        guard = self._guard(train)
        fitting = self.learning.begin(guard, guard, train, seed=self.seed, steps=self._steps(train))
        return FittingWork(fitting, partial(measured_tasks, guard, held_out), guard.write, facts)

    def read(self) -> tuple[Tasks, Tasks, JsonObject]:
        """Texts to learn from, texts to measure by, and both in numbers.

        Raises:
            SteelyardError: the file is missing or malformed, or a task has too few texts.
        """
        tasks, notes = self.file.read(self.texts)
        none: Tasks = {name: task.part([]) for name, task in tasks.items()}
        train, held_out = (none, tasks) if self.every_text else self.file.split(tasks, self.texts)
        return train, held_out, counted(train, held_out, notes)

    def _steps(self, train: Tasks) -> int:
        return self.max_steps or self.learning.steps(train)

    def _planned(self) -> JsonObject:
        require(bool(self.model), "is missing", where="--model", hint="name an encoder, or a run of unified-m2")
        here = place_of(self.model) is not None or local_directory(self.model) is not None
        return told_of(self.model, here)

    def _guard(self, train: Tasks) -> UnifiedGuard:
        """The encoder with a head for each task of the file."""
        self._planned()
        before = read_unified(self.model) if place_of(self.model) is not None else None
        net, tokenizer = (before.net, before.tokenizer) if before else load_encoder(self.model, "float32")
        labels = {name: task.labels for name, task in train.items()}
        own = {"pool": before.pool if before else self.pool, "longest": self.max_tokens}
        guard = UnifiedGuard(net, tokenizer, labels, dropout=self.learning.dropout, seed=self.seed, **own)
        for name in labels:
            if before is not None and before.tasks.get(name) == labels[name]:
                guard.heads[name].load_state_dict(before.heads[name].state_dict())
        return moved(guard, self.device)


def measured_tasks(guard: UnifiedGuard, tasks: Tasks) -> tuple[JsonObject, list[JsonObject]]:
    """How it does on each task, and some texts, wrong ones first. Their reward is 1 where the label is right."""
    row: JsonObject = {}
    shown: list[JsonObject] = []
    each = []
    for name, task in tasks.items():
        share_NL = guard.shares(name, task.texts)
        said_N = share_NL.argmax(-1)
        each.append(macro_f1(said_N, task.label_N))
        row[f"eval/f1_{name}"] = each[-1]
        row[f"eval/right_{name}"] = float((said_N == task.label_N).float().mean())
        right = (said_N == task.label_N).tolist()
        for i in sorted(range(len(right)), key=lambda i: right[i])[: max(1, SHOWN // len(tasks))]:
            said = f"{name}: {task.labels[said_N[i]]} ({float(share_NL[i].max()):.2f})"
            shown.append({"prompt": task.texts[i], "completion": said, "reward": float(right[i])})
    texts = sum(len(task.texts) for task in tasks.values())
    return {"eval/f1": sum(each) / len(each), **row, "eval/texts": texts}, shown


def _check_known(guard: UnifiedGuard, tasks: Mapping[str, TaskTexts], path: str) -> None:
    """Refuse texts of other tasks or labels than those that were learned."""
    for name, task in tasks.items():
        same = guard.tasks.get(name) == task.labels
        known = ", ".join(f"{task} ({'/'.join(labels)})" for task, labels in guard.tasks.items())
        what = f"task {name!r} with labels {'/'.join(task.labels)} was not learned"
        require(same, what, where=path, hint=f"it knows {known}")
