"""A guard that abstains where it has seen nothing like a text: `steelyard train sdm --model MODEL --texts t.jsonl`.

`--model` gives the states and stays as it is: a model, or the run of a guard. A text that the fitted guard does not
admit is one to hand on, to a larger guard or to a person. Held-out texts are like those it was fitted on; how it fares
on others, `steelyard eval RUN --texts others.jsonl` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import SteelyardError, checked
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.guard.head_guard import HeadGuard
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import alone, examples
from steelyard.guard.saved import Source, read_guard, write_head
from steelyard.guard.sdm import SDM, SDMHead
from steelyard.guard.sdm_fit import SDMFit
from steelyard.guard.settings import GuardSettings
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.meta_model import told_of


@checked()
@dataclass(frozen=True)
class Selecting(GuardSettings):
    """Fit a guard that rules where it can be relied upon, and abstains elsewhere."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl"

    head: Annotated[SDM, tyro.conf.OmitArgPrefixes] = field(default_factory=SDM)
    """What is fitted on the states."""
    model: str = ""
    """The frozen model: a language model, an encoder or a classifier (directory or hub id), or the run of a guard."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER. The head stays on the processor."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"an SDM head on {self.model}, fitted on {self.texts}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the model, and how many steps there are."""
        _, _, facts = self.read()
        check_device(self.device)
        here = Source(self.model).here("--model")
        steps = self.max_steps or self.head.splits * self.head.epochs
        model = told_of(self.model, here)
        return {"data": facts, "model": model, "steps": {"steps": steps}}

    def open(self) -> FittingWork:
        """Read the texts and their states, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            guard = read_guard(Path(self.fitted))
            if not isinstance(guard, HeadGuard) or not isinstance(guard.head, SDMHead):
                raise SteelyardError("is no guard of sdm", where=self.fitted, hint="restore what the run wrote")
            return FittingWork(None, lambda: _selected(guard, held_out), unwritten, facts)
        states = Source(self.model).states("--model", self.device)
        with waiting(f"the model reading {len(train.texts):,} texts"):
            state_ND = states(train.texts)
        fit = SDMFit(self.head, state_ND, train.harm_N.long(), self.seed, limit=self.max_steps)

        def guard_now() -> HeadGuard:
            return HeadGuard(states, fit.kept(), self.head, self.model)

        def written(directory: Path) -> None:
            write_head(guard_now(), directory)

        return FittingWork(fit, lambda: _selected(guard_now(), held_out), written, facts)


def _selected(guard: HeadGuard, texts: Labelled) -> tuple[JsonObject, list[JsonObject]]:
    """How it rules on all texts, how many it admits, and how often it is right on those."""
    assert isinstance(guard.head, SDMHead)
    ruling = guard.head.rule(guard.states(texts.texts))
    admitted_N = ruling.admitted_N
    assert admitted_N is not None
    right_N = (ruling.harm_N >= 0.5) == texts.harm_N
    number = int(admitted_N.sum())
    row = alone(ruling.harm_N, texts) | {"eval/admitted": number / max(len(right_N), 1)}
    if number:
        row |= {"eval/right_admitted": float(right_N[admitted_N].float().mean())}
    shown = examples(ruling.harm_N, texts, None)
    note = {text: "" if yes else ", abstains" for text, yes in zip(texts.texts, admitted_N.tolist(), strict=True)}
    return row, [one | {"completion": f"{one['completion']}{note[one['prompt']]}"} for one in shown]
