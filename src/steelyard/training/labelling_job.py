"""A guard from weak labels and a few strong ones: `steelyard train wl-ac --texts t.jsonl --weak GUARD --budget 200`.

    --weak GUARD              a guard labels all texts; the strong labels are the file's, read where they are paid for
    --weak-column NAME        the file has both kinds of labels, and the weak ones are in this column
    --strong f.py:harmful     the file's labels are weak; a function f(prompts, completions) gives the strong ones

The function is handed texts as completions, with empty prompts; a number from .5 on means harm. Held-out texts have a
strong label each, which the budget does not count. The run writes a guard to RUN/model, and beside it labels.jsonl,
which says of every text what it was asked about with which probability, and the corrected label.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from steelyard.core import NonNegative, checked, require
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.data.function_judge import FunctionJudge
from steelyard.guard.bag import BagGuard
from steelyard.guard.encoder_guard import LABELS
from steelyard.guard.label_ledger import Ledger
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import measured
from steelyard.guard.saved import Source, planned, write_bag
from steelyard.guard.settings import GuardSettings
from steelyard.guard.student import StudentGuard
from steelyard.guard.wl_ac import WLAC
from steelyard.guard.word_route import vocabulary
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of

BOUGHT = "labels.jsonl"
WORDS, WIDTH = 5000, 64
"""Of a bag of words."""
RATE_OF_WORDS, RATE_OF_MODEL = 3e-3, 3e-5


@checked()
@dataclass(frozen=True)
class BuyLabels(GuardSettings):
    """Fit a guard on weak labels of all texts and strong labels of a few."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl --weak CLASSIFIER --weak-label LABEL_1"

    learning: Annotated[WLAC, tyro.conf.OmitArgPrefixes] = field(default_factory=WLAC)
    """Which texts get a strong label, and how both kinds are learned from."""
    model: str = ""
    """What learns: a language model, an encoder or a classifier (directory or hub id); empty for a bag of words."""
    learning_rate: NonNegative = 0.0
    """AdamW's learning rate; 0 for 3e-3 with a bag of words and 3e-5 with a model."""
    weak: str = ""
    """The weak labeller: a sequence classifier (directory or hub id), or the run of a guard."""
    weak_label: str = ""
    """The weak classifier's label that means harm; empty for one that is named so."""
    weak_column: str = ""
    """Column of the file with weak labels, in place of a weak guard."""
    strong: str = ""
    """Function that gives strong labels, module:function or path/to/file.py:function; empty for those of the file."""
    device: Device = AUTO
    """Where the models compute: auto, cpu, cuda or cuda:NUMBER."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        who = self.model or "a bag-of-words guard"
        return f"{who} on {self.texts}, with {self.learning.budget} strong labels"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the labellers, the network, and how many steps there are."""
        train, _, facts = self._given()
        check_device(self.device)
        found: dict[str, JsonObject] = {"data": facts, "strong labels": {"budget": self.learning.budget}}
        if self.weak:
            found["weak"] = planned(self._source, "--weak")
        if self.weak_column:
            self._weak_labels(train)
        if self.model:
            _, here = locate(self.model)
            found["guard"] = told_of(self.model, here)
        else:
            guard = self._bag(train)
            found["guard"] = {"words": len(guard.words), "parameters": guard.num_parameters}
        return found | {"steps": {"steps": self.max_steps or self.learning.steps}}

    def open(self) -> FittingWork:
        """Read the texts, load the models, label all texts weakly, and begin to ask."""
        train, held_out, facts = self._given()
        held_out = Labelled(held_out.texts, self._asked(held_out.texts).bool()) if self.strong else held_out
        if self.fitted:
            known = Source(self.fitted, LABELS[1]).load("--fitted", self.device)
            return FittingWork(None, lambda: measured(known, held_out), unwritten, facts)
        learner = self._begun(train)
        rate = self.learning_rate or (RATE_OF_MODEL if self.model else RATE_OF_WORDS)
        fitting, ledger = self.learning.begin(
            learner.module,
            learner.log_odds,
            self._weak_labels(train),
            lambda places: self._strong_labels(train, places),
            learning_rate=rate,
            seed=self.seed,
        )
        fitting.num_steps = self.max_steps or self.learning.steps

        def measure() -> tuple[JsonObject, list[JsonObject]]:
            row, shown = measured(learner.guard, held_out)
            return row | bought(ledger), shown

        def write(directory: Path) -> None:
            learner.write(directory)
            write_labels(train.texts, ledger, held_out, directory)

        return FittingWork(fitting, measure, write, facts)

    def _given(self) -> tuple[Labelled, Labelled, JsonObject]:
        """As `read` has it; the labels are strong, or where a function gives those, weak."""
        others = bool(self.weak) + bool(self.weak_column)
        if self.strong:
            FunctionJudge(self.strong)
            hint = "leave out --weak and --weak-column: the weak labels are in the file's column of labels"
            require(others == 0, "is given beside another weak labeller", where="--strong", hint=hint)
        else:
            what = "and --weak-column are both given" if others else "is missing"
            hint = "name a weak guard, or --weak-column for weak labels of the file, or --strong for a function"
            require(others == 1, what, where="--weak", hint=hint)
        return self.read()

    @property
    def _source(self) -> Source:
        return Source(self.weak, self.weak_label)

    def _weak_labels(self, train: Labelled) -> Float[Tensor, "N"]:
        if self.strong:
            return train.harm_N.float()
        if self.weak_column:
            file = replace(self.file, columns=replace(self.file.columns, label=self.weak_column))
            texts, _ = file.read(self.texts)
            known = dict(zip(texts.texts, texts.harm_N.tolist(), strict=True))
            return torch.tensor([float(known[text]) for text in train.texts])
        guard = self._source.load("--weak", self.device)
        with waiting(f"the weak guard reading {len(train.texts):,} texts"):
            return guard(train.texts).harm_N.detach().float().cpu()

    def _strong_labels(self, train: Labelled, places: Sequence[int]) -> Float[Tensor, "B"]:
        if self.strong:
            return self._asked([train.texts[i] for i in places])
        return train.harm_N[list(places)].float()

    def _asked(self, texts: Sequence[str]) -> Float[Tensor, "B"]:
        with FunctionJudge(self.strong) as judge:
            said = judge([""] * len(texts), list(texts))
        unsaid = next((text for text, one in zip(texts, said, strict=True) if one is None), None)
        hint = "return a number for every text: one without a label would leave the others biased"
        require(unsaid is None, f"says nothing of {unsaid!r:.40}", where=f"--strong {self.strong}", hint=hint)
        return torch.tensor([float(one is not None and one >= 0.5) for one in said])

    def _bag(self, train: Labelled) -> BagGuard:
        return BagGuard(vocabulary(train.texts, WORDS), width=WIDTH, seed=self.seed)

    def _begun(self, train: Labelled) -> "BagLearner | ModelLearner":
        if not self.model:
            guard = self._bag(train)
            return BagLearner(guard, guard.bags(train.texts))
        locate(self.model)
        student = StudentGuard(Classifier.begun(self.model, LABELS, seed=self.seed, device=self.device))
        return ModelLearner(student, train.texts)


@dataclass(frozen=True)
class BagLearner:
    """A bag-of-words guard that learns."""

    guard: BagGuard
    bag_NV: Float[Tensor, "N V"]

    @property
    def module(self) -> torch.nn.Module:
        """What is fitted."""
        return self.guard

    def log_odds(self, places: Sequence[int]) -> Float[Tensor, "B"]:
        """Of harm, of the texts at these places, with a gradient."""
        return self.guard.head(self.guard.body(self.bag_NV[list(places)])).squeeze(-1)

    def write(self, directory: Path) -> None:
        """Write the guard."""
        write_bag(self.guard, directory)


@dataclass(frozen=True)
class ModelLearner:
    """A classifier that learns."""

    guard: StudentGuard
    texts: Sequence[str]

    @property
    def module(self) -> torch.nn.Module:
        """What is fitted."""
        return self.guard.classifier.net

    def log_odds(self, places: Sequence[int]) -> Float[Tensor, "B"]:
        """Of harm, of the texts at these places, with a gradient."""
        return self.guard.log_odds([self.texts[i] for i in places])

    def write(self, directory: Path) -> None:
        """Write the guard."""
        self.guard.classifier.save(directory)


def bought(ledger: Ledger) -> JsonObject:
    """How many strong labels were asked for, and for which share of the texts so far the weak labels count."""
    entered = int(ledger.entered_N.sum())
    trusted = int((ledger.trusted_N & ledger.entered_N).sum())
    return {"eval/strong_labels": int(ledger.asked_N.sum()), "eval/trusted": trusted / max(entered, 1)}


def write_labels(texts: Sequence[str], ledger: Ledger, held_out: Labelled, directory: Path) -> None:
    """Write what is known of every text's label: `label` is the strong one, or where none was asked for, the weak.

    Held-out texts follow, with their strong labels alone: whoever learns from the file holds out the same ones.
    """
    label_N = torch.where(ledger.asked_N, ledger.strong_N, ledger.weak_N) >= 0.5
    columns = {
        "label": label_N,
        "weak": ledger.weak_N,
        "asked": ledger.asked_N,
        "probability": ledger.chance_N,
        "weight": ledger.weight_N,
        "target": ledger.target_N,
    }
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows: list[JsonObject] = [
        {"text": text, **dict(zip(columns, of, strict=True))} for text, of in zip(texts, values, strict=True)
    ]
    rows += [{"text": t, "label": y} for t, y in zip(held_out.texts, held_out.harm_N.tolist(), strict=True)]
    (directory / BOUGHT).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
