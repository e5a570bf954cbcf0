"""A router between two guards of one's own: `steelyard train saferoute --texts t.jsonl --small MODEL --large MODEL`.

Either guard is a sequence classifier (a directory or a hub id) or a saved guard, such as the run of `bag-guard`. Both
rate all texts once, before the first step; what is fitted then is the gate alone. The run's model directory names the
two guards and holds the gate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import tyro
from jaxtyping import Bool
from torch import Tensor

from steelyard.core import SteelyardError, checked
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.guard.base import Cascade, Ruling, routed
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import examples, together
from steelyard.guard.saferoute import RouteGate, SafeRoute
from steelyard.guard.saved import Known, Source, planned, read_guard, size_of, write_cascade
from steelyard.guard.settings import GuardSettings
from steelyard.guard.word_route import WordGate, WordRoute
from steelyard.learner.fitting import Fitting
from steelyard.learner.fitting_work import FittingWork
from steelyard.policy.device import AUTO, Device, check_device


@dataclass(frozen=True)
class Court:
    """Two guards, and what they say of the texts to measure by."""

    small: Known
    large: Known
    texts: Labelled
    says: tuple[Ruling, Ruling]

    def measure(self, gate: RouteGate | WordGate) -> tuple[JsonObject, list[JsonObject]]:
        """How the cascade rules with this gate, and some texts to read."""
        small, large = self.says
        routed_N = routed(gate, self.texts.texts, small)
        sizes = (size_of(self.small), size_of(self.large))
        row = together(small.harm_N, large.harm_N, routed_N, self.texts, sizes)
        return row, [*examples(torch.where(routed_N, large.harm_N, small.harm_N), self.texts, routed_N)]


@checked()
@dataclass(frozen=True)
class Routing(GuardSettings):
    """Fit a router that says which texts need the large guard."""

    OWN_DATA: ClassVar[str] = (
        "--texts labelled.jsonl --small CLASSIFIER --large CLASSIFIER --small-label LABEL_1 --large-label LABEL_1"
    )

    router: Annotated[SafeRoute | WordRoute, tyro.conf.OmitArgPrefixes] = field(default_factory=SafeRoute)
    """What is fitted."""
    small: str = ""
    """The small guard: a sequence classifier (directory or hub id), or the run of a guard."""
    large: str = ""
    """The large guard, of the same kinds."""
    small_label: str = ""
    """The small classifier's label that means harm; empty for one that is named so."""
    large_label: str = ""
    """The same of the large one."""

    device: Device = AUTO
    """Where two classifiers compute: auto, cpu, cuda or cuda:NUMBER. The router itself stays on the processor."""

    @property
    def title(self) -> str:
        """What is fitted between which guards."""
        return f"{type(self.router).__name__} on {self.texts}, between {self.small} and {self.large}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, both guards, and how many steps there are."""
        _, _, facts = self.read()
        check_device(self.device)
        small, large = self._sources
        found = {"data": facts, "small guard": planned(small, "--small"), "large guard": planned(large, "--large")}
        return found | {"steps": {"steps": self.max_steps or self.router.steps}}

    def open(self) -> FittingWork:
        """Read the texts, load both guards, let them rate all texts, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            return self._measuring(held_out, facts)
        small, large = self._guards()
        court = Court(small, large, held_out, _says(small, large, held_out))
        says = _says(small, large, train)
        right = [(ruling.harm_N >= 0.5) == train.harm_N for ruling in says]
        gate, fitting = self._begin(train, says[0], right[0], right[1])
        fitting.num_steps = self.max_steps or self.router.steps
        return FittingWork(fitting, partial(court.measure, gate), partial(self._write, small, large, gate), facts)

    def _begin(
        self, train: Labelled, small: Ruling, small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"]
    ) -> tuple[RouteGate | WordGate, Fitting]:
        if isinstance(self.router, WordRoute):
            bag, fitting = self.router.begin_texts(train.texts, small_right_N, large_right_N, seed=self.seed)
            return WordGate(bag, self.router.threshold), fitting
        fitting = self.router.begin(small.state_ND, small_right_N, large_right_N, seed=self.seed)
        assert isinstance(fitting.module, RouteGate)
        return fitting.module, fitting

    def _measuring(self, texts: Labelled, facts: JsonObject) -> FittingWork:
        cascade = read_guard(Path(self.fitted))
        if not isinstance(cascade, Cascade) or not isinstance(cascade.gate, RouteGate | WordGate):
            raise SteelyardError("is no guard with a router", where=self.fitted, hint="restore what the run wrote")
        small, large, gate = cascade.small, cascade.large, cascade.gate
        assert isinstance(small, Known) and isinstance(large, Known)
        court = Court(small, large, texts, _says(small, large, texts))
        return FittingWork(None, partial(court.measure, gate), partial(self._write, small, large, gate), facts)

    @property
    def _sources(self) -> tuple[Source, Source]:
        return Source(self.small, self.small_label), Source(self.large, self.large_label)

    def _guards(self) -> tuple[Known, Known]:
        small, large = self._sources
        return small.load("--small", self.device), large.load("--large", self.device)

    def _write(self, small: Known, large: Known, gate: RouteGate | WordGate, directory: Path) -> None:
        write_cascade(Cascade(small, large, gate), *self._sources, self.router, self.seed, directory)


def _says(small: Known, large: Known, texts: Labelled) -> tuple[Ruling, Ruling]:
    with waiting(f"two guards reading {len(texts.texts):,} texts"):
        return small(texts.texts), large(texts.texts)
