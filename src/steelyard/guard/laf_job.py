"""A classifier that forgets texts without labels: `steelyard train laf --model CLASSIFIER --texts t.jsonl --forget
g.jsonl`.

`--texts` are what the classifier learned from, less those of `--forget`, which are named by their text alone. Labels
of `--texts` are for the measures on its held-out part, and for `--repair`, where that is not 0: then the head is
fitted to them at the end. What the run writes to RUN/model is a classifier like the one it began with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import tyro
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.guard.classifier_guard import ClassifierGuard
from steelyard.guard.labelled import Labelled
from steelyard.guard.laf import LAF, Parts
from steelyard.guard.measures import measured
from steelyard.guard.saved import Source
from steelyard.guard.settings import GuardSettings
from steelyard.guard.unlabelled import further_texts
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.meta_model import told_of
from steelyard.policy.own_encoder import OwnEncoder

HINT = "name a classifier (directory or hub id), or the run of steelyard train encoder-guard"
READ_AT_ONCE = 64


@checked()
@dataclass(frozen=True)
class ForgetTexts(GuardSettings):
    """Have a classifier forget texts that it learned from."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl --model CLASSIFIER --model-label LABEL_1 --forget labelled.jsonl"

    laf: Annotated[LAF, tyro.conf.OmitArgPrefixes] = field(default_factory=LAF)
    """How it forgets."""
    model: str = ""
    """The classifier: a directory, a hub id, or the run of steelyard train encoder-guard."""
    model_label: str = ""
    """Its label that means harm; empty for one that is named so."""
    forget: str = ""
    """JSONL or Parquet file of texts to forget, which need no label."""
    device: Device = AUTO
    """Where the classifier computes: auto, cpu, cuda or cuda:NUMBER."""

    @property
    def title(self) -> str:
        """What forgets what."""
        return f"{self.model} forgets {self.forget}, beside {self.texts}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the classifier, and how many steps there are."""
        asked = self._asked()
        check_device(self.device)
        here = Source(self.model, self.model_label).here("--model")
        steps = self.laf.num_steps(len(asked.forget)) if self.max_steps is None else self.max_steps
        told = told_of(self.model, here)
        return {"data": asked.facts, "model": told, "steps": {"steps": steps}}

    def open(self) -> FittingWork:
        """Read the texts and the classifier, and begin to forget."""
        asked = self._asked()
        before = self._read(self.model)
        first = Before.of(before, asked.forget)
        if self.fitted:
            measure = first.against(self._read(self.fitted), asked)
            return FittingWork(None, measure, unwritten, asked.facts)
        texts = [*asked.keep.texts, *asked.forget]
        parts = parts_of(before.classifier, texts)
        kept = torch.arange(len(asked.keep.texts))
        gone = torch.arange(len(kept), len(texts))
        label = before.classifier.labels.index(before.label)
        known = kept, class_of(asked.keep, label, len(before.classifier.labels))
        forgetter = self.laf.begin(parts, gone, kept, seed=self.seed, labelled=known, most=self.max_steps)
        return FittingWork(forgetter, first.against(before, asked), Writer(before.classifier), asked.facts)

    def _read(self, model: str) -> ClassifierGuard:
        require(bool(model), "is missing", where="--model", hint=HINT)
        source = Source(model, self.model_label)
        require(source.saved is None, "is a guard that is no classifier", where="--model", hint=HINT)
        return ClassifierGuard.load(source.classifier, self.model_label, "--model-label", self.device)

    def _asked(self) -> "Asked":
        """The texts.

        Raises:
            SteelyardError: a file is missing or malformed, or no text is left to be kept.
        """
        train, held_out, facts = self.read()
        hint = "name a .jsonl or .parquet file with a column text"
        require(bool(self.forget), "is missing", where="--forget", hint=hint)
        forget = further_texts(self.forget, self.file.columns.text, ())
        require(len(forget) > 0, "holds no text", where=self.forget, hint=hint)
        gone = {*forget}
        keep, rest = (without(part, gone) for part in (train, held_out))
        if self.every_text:
            keep = rest
        what = "all texts to learn from are to be forgotten"
        require(len(keep.texts) > 0, what, where=self.forget, hint="leave some of --texts out of it")
        return Asked(forget, keep, rest, facts | {"forgotten": len(forget), "kept": len(keep.texts)})


@dataclass(frozen=True)
class Asked:
    """What is to be forgotten, what is kept, and what measures it."""

    forget: list[str]
    keep: Labelled
    held_out: Labelled
    facts: JsonObject


@dataclass(frozen=True)
class Before:
    """What a classifier made of texts before it forgot them."""

    state_ND: Float[Tensor, "N D"]
    harm_N: Float[Tensor, "N"]

    @classmethod
    @torch.no_grad()
    def of(cls, guard: ClassifierGuard, texts: Sequence[str]) -> "Before":
        """Read them."""
        parts = parts_of(guard.classifier, texts)
        each = [parts.states(of).float().cpu() for of in torch.arange(len(texts)).split(READ_AT_ONCE)]
        return cls(torch.cat(each), guard(texts).harm_N)

    def against(self, guard: ClassifierGuard, asked: Asked) -> "Comparison":
        """What measures a classifier beside this."""
        return Comparison(self, guard, asked)


@dataclass(frozen=True)
class Comparison:
    """Measures a classifier beside what it was."""

    before: Before
    guard: ClassifierGuard
    asked: Asked

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """Rulings on held-out texts, and how many forgotten ones are ruled on otherwise and how far they moved."""
        row, shown = measured(self.guard, self.asked.held_out)
        now = Before.of(self.guard, self.asked.forget)
        changed_N = (now.harm_N >= 0.5) != (self.before.harm_N >= 0.5)
        far_N = 1 - cosine_similarity(now.state_ND, self.before.state_ND)
        told = {"eval/forget_changed": float(changed_N.float().mean()), "eval/forget_moved": float(far_N.mean())}
        return row | told, shown


@dataclass(frozen=True)
class Writer:
    """Writes a classifier."""

    classifier: Classifier

    def __call__(self, directory: Path) -> None:
        """As `Classifier.load` reads it."""
        net = self.classifier.net
        if isinstance(net, OwnEncoder):
            net.encoder.save(directory)
            self.classifier.tokenizer.save_pretrained(directory)
        else:
            self.classifier.save(directory)


def parts_of(classifier: Classifier, texts: Sequence[str]) -> Parts:
    """A classifier's last layer, and all before it.

    Raises:
        SteelyardError: it has no layer that gives its labels, or one that reads token by token.
    """
    net: Any = classifier.net
    ends = [m for m in net.modules() if isinstance(m, nn.Linear) and m.out_features == len(classifier.labels)]
    hint = "take an encoder whose head is for texts"
    require(bool(ends), "has no linear layer for its labels", where="--model", hint=hint)
    last = ends[-1]

    def states(of: Int64[Tensor, "K"]) -> Float[Tensor, "K D"]:
        found: list[Tensor] = []
        hook = last.register_forward_pre_hook(lambda _, given: found.append(given[0]))
        try:
            classifier.logits([texts[int(i)] for i in of.tolist()])
        finally:
            hook.remove()
        whole = len(found) == 1 and found[0].ndim == 2
        require(whole, "its last layer reads token by token", where="--model", hint=hint)
        return found[0]

    head = [*last.parameters()]
    own = {id(p) for p in head}
    extractor = [p for p in net.parameters() if id(p) not in own and p.requires_grad]
    return Parts(states, lambda state_KD: last(state_KD.to(last.weight)), extractor, head)


def without(part: Labelled, gone: set[str]) -> Labelled:
    """The texts that are not among these."""
    kept = [i for i, text in enumerate(part.texts) if text not in gone]
    return Labelled([part.texts[i] for i in kept], part.harm_N[kept])


def class_of(texts: Labelled, label: int, number: int) -> Int64[Tensor, "N"]:
    """The class of each text: the label that means harm, or the first other."""
    other = next(i for i in range(number) if i != label)
    return torch.where(texts.harm_N, label, other)
