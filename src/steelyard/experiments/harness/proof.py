"""A proof: what a paper says it gains, as a criterion that an experiment can fail.

A criterion, and the number of seeds, is stated before the first run. Who changes either later raises `first_seed`, so
that the seeds are fresh, and says so in docs/lab-notes.md.
"""

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from steelyard.core import Card, SteelyardError, require
from steelyard.runtime import to_json

Metrics = Mapping[str, float]
"""Metric -> value, of one arm and seed."""
Arms = Mapping[str, Metrics]
"""Arm -> its metrics, of one seed."""
Measure = Callable[[int, bool], Iterator[tuple[str, Metrics]]]
"""`measure(seed, quick)` yields each arm with its metrics; all arms of a seed share what is prepared for them."""


@dataclass(frozen=True)
class Claim:
    """Ours is better than the baseline in a metric, by at least so much.

    effect_s = ours_s - baseline_s for seed s, with its sign turned where lower is better, and divided by |baseline_s|
    where it is relative.
    """

    text: str
    """The claim in words."""
    metric: str
    """What is compared."""
    baseline: str | float
    """The arm to beat, or a fixed number."""
    least: float
    """The smallest effect that counts; below 0: not worse by more than that."""
    lower_is_better: bool = False
    """The effect is what ours has less."""
    relative: bool = False
    """The effect is a share of the baseline's value."""
    ours: str = ""
    """The arm that is claimed for, where it is not the proof's."""


@dataclass(frozen=True)
class Proof:
    """An experiment and what it must show."""

    ours: str
    """The arm of the method."""
    control: str
    """The arm with the method switched off, which must not show the claims."""
    equal: str
    """What is equal between the arms: data, steps, settings."""
    claims: tuple[Claim, ...]
    """All must hold."""
    measure: Measure
    """The experiment."""
    first_seed: int = 0
    """The seeds are this and the next."""
    seeds: int = 3
    """How many; more where three were too noisy to tell, decided before the first of them."""

    @property
    def criterion(self) -> str:
        """A digest of all that decides the verdict, apart from the figures."""
        decides = [self.ours, self.control, [[getattr(c, f.name) for f in fields(c)] for c in self.claims]]
        return hashlib.blake2b(to_json(decides).encode(), digest_size=8).hexdigest()


def module_of(card: Card) -> str:
    """The dotted module of a card's proof.

    Raises:
        SteelyardError: it has none.
    """
    require(card.proof is not None, "has no proof", where=card.id, hint="see steelyard methods for those that have one")
    return f"steelyard.{card.proof}"


def load(module: str) -> Proof:
    """The proof that a module holds.

    Raises:
        SteelyardError: it holds none.
    """
    found: Any = getattr(importlib.import_module(module), "PROOF", None)
    if not isinstance(found, Proof):
        raise SteelyardError("holds no PROOF", where=module, hint="see docs/add-a-method.md")
    return found
