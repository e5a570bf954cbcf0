"""A first guard from one's own texts: `steelyard train bag-guard --texts t.jsonl`, a small bag-of-words network."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from steelyard.core import PositiveInt, SteelyardError, checked
from steelyard.core.json import JsonObject
from steelyard.guard.bag import BagGuard
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import measured
from steelyard.guard.saved import read_guard, write_bag
from steelyard.guard.settings import GuardSettings
from steelyard.guard.word_route import vocabulary
from steelyard.learner.fitting_work import FittingWork


@checked()
@dataclass(frozen=True)
class FitBag(GuardSettings):
    """Fit a bag-of-words guard on labelled texts."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl"

    words: PositiveInt = 5000
    """Most frequent words that it knows; a word is what stands between spaces, letter by letter."""
    width: PositiveInt = 64
    """Width of both hidden layers."""
    steps: PositiveInt = 500
    """Steps of AdamW, on 128 texts each."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"a bag-of-words guard on {self.texts}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the network, and how many steps there are."""
        train, _, facts = self.read()
        guard = self._guard(train)
        network = {"words": len(guard.words), "width": self.width, "parameters": guard.num_parameters}
        return {"data": facts, "guard": network, "steps": {"steps": self.max_steps or self.steps}}

    def open(self) -> FittingWork:
        """Read the texts, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            guard = self._read_bag()
            return FittingWork(None, partial(measured, guard, held_out), partial(write_bag, guard), facts)
        guard = self._guard(train)
        steps = self.max_steps or self.steps
        fitting = guard.begin(train.texts, train.harm_N, train.texts, steps=steps, seed=self.seed)
        return FittingWork(fitting, partial(measured, guard, held_out), partial(write_bag, guard), facts)

    def _guard(self, train: Labelled) -> BagGuard:
        return BagGuard(vocabulary(train.texts, self.words), width=self.width, seed=self.seed)

    def _read_bag(self) -> BagGuard:
        guard = read_guard(Path(self.fitted))
        if not isinstance(guard, BagGuard):
            raise SteelyardError("is no bag-of-words guard", where=self.fitted, hint="restore what the run wrote")
        return guard
