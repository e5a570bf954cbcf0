"""Forgetting by an edit as a job: `steelyard train rocr --model DIR --forget f.jsonl --retain r.jsonl --redirect NAME`.

The file to forget has one more column, `subject`: the name of whom or what a row asks about. Each name is redirected
in a step of its own, in the order of the file; prompts and answers are for the audit alone. Of the file to keep the
model reads prompts and answers, once, before the first step. What comes out is a model (`RUN/model`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from steelyard.core import checked, require
from steelyard.core.columns import Column, text_of
from steelyard.core.job import DrivenSettings
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device, check_device, device_of
from steelyard.policy.meta_model import local_directory, meta_policy, told_of
from steelyard.task.files import read_rows
from steelyard.unlearn.request import Files, ForgetRequest
from steelyard.unlearn.rocr import ROCR, Redirection, placed
from steelyard.unlearn.value_vectors import value_vectors

Plain = tyro.conf.OmitArgPrefixes
TENSORS = "edit.safetensors"
STATE = "edit.json"


@checked()
@dataclass(frozen=True)
class ForgetByEdit(DrivenSettings, ForgetRequest):
    """Have a model take names for another one, by an edit of its weights."""

    OWN_DATA: ClassVar[str] = "--forget named.jsonl --retain retain.jsonl --redirect NAME"

    editing: Annotated[ROCR, Plain] = field(default_factory=ROCR)
    """How."""
    model: str = ""
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    redirect: str = ""
    """The name that every name to be forgotten is taken for from then on: one that the model knows and that may be
    spoken of."""
    subject_column: str = "subject"
    """Column of the file to forget with the name that a row asks about, spelt as in its prompt. Where prompts are
    chat messages, the model is shown each template as a user's message."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's weights."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""

    @property
    def title(self) -> str:
        """What is taken for what."""
        return f"names of {self.forget} are taken for {self.redirect!r}; model {self.model}"

    def trained(self, model: Path) -> "ForgetByEdit":
        """The same job on what it wrote."""
        return replace(self, model=str(model))

    def policy(self) -> Policy:
        """The model as it stands.

        Raises:
            SteelyardError: there is none of that name, or no such GPU.
        """
        self._named()
        return Policy.load(self.model, dtype=self.dtype).placed(self.device)

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, and how many names there are."""
        read, names = self._files()
        self._named()
        place = local_directory(self.model)
        told: JsonObject = told_of(self.model, here=False)
        if place is not None:
            policy = meta_policy(place, dtype=self.dtype)
            self._check(policy, read, names)
            number = policy.num_parameters(trainable=False)
            told = {"model": self.model, "parameters": number, "device": str(device_of(self.device, number))}
            told |= {"layers": " ".join(map(str, self.editing.layers_of(policy)))}
        return {"data": self._facts(read, names), "model": told, "steps": {"steps": self._limited(names)}}

    def open(self) -> "EditWork":
        """Read the files, load the model, and have it read what is to be kept."""
        read, names = self._files()
        policy = self.policy()
        self._check(policy, read, names)
        kept = [group[0] for group in self.given(policy, read.retain)]
        edits = self.editing.begin(policy, kept, chat=_chat(read))
        names = names[: self._limited(names)]
        work = EditWork(policy, edits, names, self.redirect, lambda: ({}, []), self._facts(read, names))
        ends = lambda: work.steps in (0, work.num_steps)  # noqa: E731
        work.measure = self.audit(policy, read, ends, dtype=self.dtype, device=self.device)
        return work

    def _named(self) -> None:
        require(bool(self.model), "is missing", where="--model", hint="name a directory, a shipped model or a hub id")
        check_device(self.device)

    def _limited(self, names: Sequence[str]) -> int:
        return min(len(names), self.max_steps or len(names))

    def _files(self) -> tuple[Files, list[str]]:
        """The rows of all files, and the names to be forgotten."""
        require(bool(self.redirect), "is missing", where="--redirect", hint="name whom they are to be taken for")
        require(bool(self.retain), "is missing", where="--retain", hint="name a file of prompts that are to be kept")
        read = self.read()
        column = Column(self.subject_column)
        subjects = [(text_of(row, column, f"{self.forget}, {place}"), place) for place, row in read_rows(self.forget)]
        for name, place in subjects:
            where = f"{self.forget}, {place}"
            other = name != self.redirect
            require(other, f"its subject is --redirect {self.redirect!r}", where=where, hint="redirect to another name")
        return read, list(dict.fromkeys(name for name, _ in subjects))

    def _check(self, policy: Policy, read: Files, names: Sequence[str]) -> None:
        self.editing.layers_of(policy)
        for name in (self.redirect, *names):
            for template in self.editing.templates:
                placed(policy, template, name, chat=_chat(read))
        self.check_lengths(policy, [*self.given(policy, read.forget), *self.given(policy, read.retain)])

    def _facts(self, read: Files, names: Sequence[str]) -> JsonObject:
        return self.facts(read) | {"subjects": len(names)}


def _chat(read: Files) -> bool:
    """Whether what is to be forgotten is asked in chats."""
    return not isinstance(read.forget[0].prompt.text, str)


@dataclass
class EditWork:
    """A `Work` whose every step redirects one name."""

    policy: Policy
    edits: Redirection
    names: Sequence[str]
    redirect: str
    measure: Callable[[], tuple[JsonObject, list[JsonObject]]]
    facts: JsonMapping
    steps: int = 0

    @property
    def num_steps(self) -> int:
        """One for each name."""
        return len(self.names)

    def step(self) -> JsonObject:
        """Redirect the next name."""
        found = self.edits.redirect(self.names[self.steps], self.redirect)
        self.steps += 1
        return dict(found)

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure the model as it is."""
        return self.measure()

    def save(self, directory: Path) -> None:
        """Write the edited matrices, the free directions, and what earlier edits wrote."""
        from safetensors.torch import save_file

        tensors = {}
        for layer in self.edits.free:
            tensors[f"{layer}/vectors"] = value_vectors(self.policy, layer).cpu().contiguous()
            tensors[f"{layer}/free"] = self.edits.free[layer].contiguous()
            tensors[f"{layer}/written"] = self.edits.written[layer].contiguous()
        save_file(tensors, directory / TENSORS)
        (directory / STATE).write_text(json.dumps({"steps": self.steps}), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from there.

        Raises:
            SteelyardError: it is missing, damaged, or of another model.
        """
        with file_errors("holds no edits of this model", where=str(directory), hint="go on from another checkpoint"):
            steps = int(json.loads((directory / STATE).read_text(encoding="utf-8"))["steps"])
            tensors = read_tensors(directory / TENSORS)
            for layer in self.edits.free:
                value_vectors(self.policy, layer).copy_(tensors[f"{layer}/vectors"])
                self.edits.free[layer] = tensors[f"{layer}/free"]
                self.edits.written[layer] = tensors[f"{layer}/written"]
        self.steps = steps

    def save_model(self, directory: Path) -> None:
        """Write the model."""
        self.policy.save(directory)

    def close(self) -> None:
        """There are no child processes."""
