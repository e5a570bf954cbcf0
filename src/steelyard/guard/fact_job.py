"""Check claims from a language model's memory: `steelyard train lm-fact-check --model MASKED --texts claims.jsonl`.

    eval/right       share of held-out claims whose verdict is right; `eval/f1` is the mean of F1 over the verdicts
    eval/zero_shot   share that is right without anything fitted, of claims that are supported or refuted; chance is 1/2
    eval/recalled    share of the supported claims whose hidden words the model fills in

`--entailment` names a classifier of pairs, such as one of natural language inference, on whose states a small head is
fitted. Without it nothing is fitted, and the run is the zero-shot checker. RUN/model names both models and has the
head; `--reward facts:RUN` scores completions by the probability that they are supported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import tyro
from jaxtyping import Float
from torch import Tensor

from steelyard.core import NonNegativeInt, PositiveInt, checked, require
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.guard.fact_claims import VERDICTS, FactClaims, FactFile, counted
from steelyard.guard.fact_guard import Entailment, Evidence, FactGuard, read_fact_guard, write_fact_guard
from steelyard.guard.lm_fact_check import LMFactCheck, zero_shot
from steelyard.guard.macro_f1 import macro_f1
from steelyard.guard.measures import to_read
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.masked_model import MaskedModel
from steelyard.policy.meta_model import local_directory, told_of


@checked()
@dataclass(frozen=True)
class FactChecking(FittingSettings):
    """Fit a fact checker on labelled claims."""

    OWN_DATA: ClassVar[str] = "--texts checked.jsonl"
    makes: ClassVar[str] = "guard"

    head: Annotated[LMFactCheck, tyro.conf.OmitArgPrefixes] = field(default_factory=LMFactCheck)
    """What is fitted on evidence and claim."""
    model: str = ""
    """The memory: a masked language model (directory or hub id)."""
    entailment: str = ""
    """A classifier of pairs of texts (directory or hub id); empty to fit nothing, and compare words alone."""
    texts: str = ""
    """JSONL or Parquet file with columns text and label, perhaps with masked."""
    file: Annotated[FactFile, tyro.conf.OmitArgPrefixes] = field(default_factory=FactFile)
    """How rows become claims, and which are held out."""
    device: Device = AUTO
    """Where the models compute: auto, cpu, cuda or cuda:NUMBER. The head stays on the processor."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
    every_text: Annotated[bool, tyro.conf.Suppress] = False
    """Measure by all claims of the file, and by no part of them."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        how = f"with {self.entailment}, fitted on" if self.entailment else "zero-shot, on"
        return f"facts checked by {self.model} {how} {self.texts}"

    def measured_on(self, texts: str) -> "FactChecking":
        """The same job on all claims of another file."""
        return replace(self, texts=texts, every_text=True)

    def plan(self) -> Mapping[str, JsonObject]:
        """The claims, the models, and how many steps there are."""
        _, _, facts = self.read()
        check_device(self.device)
        named = {"model": self.model} | ({"entailment": self.entailment} if self.entailment else {})
        require(bool(self.model), "is missing", where="--model", hint="name a masked language model")
        told = {key: told_of(name, local_directory(name) is not None) for key, name in named.items()}
        return {"data": facts, **told, "steps": {"steps": self._steps}}

    def open(self) -> FittingWork:
        """Read the claims, let the models read them, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            known = read_fact_guard(self.fitted, self.device)
            return FittingWork(None, partial(checked_facts, known, held_out), unwritten, facts)
        require(bool(self.model), "is missing", where="--model", hint="name a masked language model")
        memory = MaskedModel.load(self.model, device=self.device)
        reader = Entailment(Classifier.load(self.entailment, device=self.device)) if self.entailment else None
        guard = FactGuard(memory, reader, self.head)
        write = partial(write_fact_guard, guard, (self.model, self.entailment))
        if reader is None:
            return ZeroShotWork(None, partial(checked_facts, guard, held_out), write, facts)
        with waiting(f"the models reading {len(train.texts) + len(held_out.texts):,} claims"):
            feature_NF = guard.evidence(train.texts, train.spans).feature_NF
            asked = guard.evidence(held_out.texts, held_out.spans)
        guard.head, fitting = self.head.begin(feature_NF, train.verdict_N, seed=self.seed)
        fitting.num_steps = self._steps
        return FittingWork(fitting, partial(checked_facts, guard, held_out, asked), write, facts)

    def read(self) -> tuple[FactClaims, FactClaims, JsonObject]:
        """Claims to learn from, claims to measure by, and both in numbers.

        Raises:
            SteelyardError: the file is missing or malformed, or all claims of a part have one label.
        """
        claims, notes = self.file.read(self.texts)
        train, held_out = (claims.part([]), claims) if self.every_text else self.file.split(claims, self.texts)
        return train, held_out, counted(train, held_out, notes)

    @property
    def _steps(self) -> int:
        return (self.max_steps or self.head.steps) if self.entailment else 0


@dataclass
class ZeroShotWork(FittingWork):
    """A `Work` in which there is nothing to fit: it is measured, and written."""

    def save(self, directory: Path) -> None:
        """There is nothing to go on with."""

    def restore(self, directory: Path) -> None:
        """There is nothing to go on with."""


def checked_facts(
    guard: FactGuard, claims: FactClaims, evidence: Evidence | None = None
) -> tuple[JsonObject, list[JsonObject]]:
    """How it rules on these claims, and some of them to read; `evidence` is what the models say of them, if known."""
    evidence = guard.evidence(claims.texts, claims.spans) if evidence is None else evidence
    share_NV = guard.shares(evidence)
    right_N = share_NV.argmax(-1) == claims.verdict_N
    same_N = zero_shot(evidence.filled)
    supported_N = claims.verdict_N == 0
    row = {
        "eval/right": float(right_N.float().mean()),
        "eval/f1": macro_f1(share_NV.argmax(-1), claims.verdict_N),
        "eval/texts": len(claims.texts),
    }
    decided_N = claims.verdict_N < 2
    if decided_N.any():
        row["eval/zero_shot"] = float((same_N == supported_N)[decided_N].float().mean())
    if supported_N.any():
        row["eval/recalled"] = float(same_N[supported_N].float().mean())
    return row, _examples(share_NV, claims, evidence)


def _examples(share_NV: Float[Tensor, "N V"], claims: FactClaims, evidence: Evidence) -> list[JsonObject]:
    """Some claims with evidence and verdict, wrong ones first. Their reward is 1 where the verdict is right."""
    said_N = share_NV.argmax(-1)
    right = (said_N == claims.verdict_N).tolist()
    return [
        {
            "prompt": claims.texts[i],
            "completion": f"{VERDICTS[said_N[i]]} ({float(share_NV[i].max()):.2f}): {evidence.filled[i].text}",
            "reward": float(right[i]),
        }
        for i in to_read(right)
    ]
