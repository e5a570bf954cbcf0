"""A proof: what a paper says a method gains, as a criterion that an experiment can fail.

The criterion and the number of seeds are stated before the first run. Whoever changes either later raises `first_seed`,
so that the seeds are fresh, and says so in docs/lab-notes.md.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from steelyard.core import require
from steelyard.experiments.harness.arm import Arm, Experiment, SettingsT, SettingT
from steelyard.experiments.harness.claim import ArmMetrics, Claim, Judged, Verdict, by_interval, judge, worst
from steelyard.runtime import to_json


@dataclass(frozen=True)
class Proof(Generic[SettingT, SettingsT]):
    """An experiment and what it must show. A proof that cannot fail is refused when it is made."""

    proves: tuple[str, ...]
    """Ids of the methods whose claim this is; the methods of one paper may share a proof."""
    ours: str
    """The arm of the method."""
    control: str
    """The arm with the method switched off, which must not show the claims."""
    equal: str
    """What is equal between the arms: data, steps, settings."""
    claims: tuple[Claim, ...]
    """All must hold."""
    measure: Experiment[SettingT, SettingsT]
    """The experiment."""
    arms: Mapping[str, SettingsT]
    """Every arm with what makes it; all that claims name are here."""
    setting: SettingT
    """Sizes and world: what all arms have in common."""
    quick: SettingT
    """The same, small enough for a run of under a minute that only the arms of the claims take part in."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Each arm's learning rate, for those that learn: the best of as many for each, on seeds from 900."""
    first_seed: int = 0
    """The seeds are this and the next."""
    seeds: int = 3
    """How many; more where three were too noisy to tell, decided before the first of them."""

    def __post_init__(self) -> None:
        self._need(bool(self.proves) and all(self.proves), "does not say which method it proves")
        self._need(bool(self.ours) and bool(self.control), "does not name its arms")
        self._need(self.ours != self.control, "has the method itself as its control")
        self._need(bool(self.equal.strip()), "does not say what is equal between its arms")
        self._need(len(self.claims) > 0, "claims nothing")
        self._need(any(c.min_effect > 0 for c in self.claims), "has only claims that an arm without effect meets")
        for claim in self.claims:
            ours = claim.ours or self.ours
            self._need(bool(claim.text) and bool(claim.metric), "has a claim without a text or a metric")
            self._need(claim.baseline != ours, f"compares {ours} with itself: {claim.text!r}")
            self._need(claim.rule is by_interval, f"is judged by its interval, and no other rule: {claim.text!r}")
        for name in (*self.claimed, *self.rates):
            self._need(name in self.arms, f"has no arm {name!r}")

    def _need(self, condition: bool, what: str) -> None:
        require(condition, what, where=f"proof of {', '.join(self.proves)}", hint="see docs/add-a-method.md")

    @property
    def claimed(self) -> tuple[str, ...]:
        """The arms that verdicts depend on: those of the claims, and the control."""
        named = [self.ours, self.control]
        for claim in self.claims:
            named += [claim.ours] if claim.ours else []
            named += [claim.baseline] if isinstance(claim.baseline, str) else []
        return tuple(dict.fromkeys(named))

    def arm(self, name: str) -> Arm[SettingsT]:
        """The arm of this name."""
        return Arm(name, self.arms[name], self.rates.get(name, 0.0))

    @property
    def criterion(self) -> str:
        """A digest of all that decides the verdict, apart from the figures."""
        claims = [
            [c.text, c.metric, c.baseline, c.min_effect, c.lower_is_better, c.relative, c.ours] for c in self.claims
        ]
        return hashlib.blake2b(to_json([self.ours, self.control, claims]).encode(), digest_size=8).hexdigest()


def judge_all(proof: Proof[Any, Any], seeds: Mapping[int, ArmMetrics]) -> tuple[list[Judged], list[Judged]]:
    """Every claim for the method, and every claim for the control in its place."""
    own = [judge(claim, seeds, claim.ours or proof.ours) for claim in proof.claims]
    return own, [judge(claim, seeds, proof.control) for claim in proof.claims]


def verdict_of(own: Sequence[Judged], control: Sequence[Judged]) -> Verdict:
    """The proof's verdict: an experiment whose control shows as much cannot tell, and shows nothing."""
    return "not shown" if worst(control) != "not shown" else worst(own)
