"""A proof: what a paper says a method gains, as a criterion that an experiment can fail.

The criterion and the number of seeds are stated before the first run. Whoever changes either later raises `first_seed`,
so that the seeds are fresh, and says so in docs/lab-notes.md.

A proof is measured on two blocks of as many seeds: the first, and where that shows the claims, the later one, which
must show them again. `harness.planning` says how many seeds that takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from steelyard.core import require
from steelyard.experiments.harness.arm import Arm, Experiment, SettingsT, SettingT
from steelyard.experiments.harness.claim import Claim, Judged, Verdict, judge, worst
from steelyard.experiments.harness.metric import ArmMetrics

FIRST_TRIAL_SEED = 900
"""Seeds from here on are for developing a proof, for `steelyard try` and for quick runs; a verdict's lie below."""
FEWEST_SEEDS = 3
"""In a block: two have next to no interval."""
MOST_SEEDS = 12
"""In a block. A claim that needs more is made in another world, or with another margin."""


@dataclass(frozen=True)
class Proof(Generic[SettingT, SettingsT]):
    """An experiment and what it must show. A proof that cannot fail is refused when it is made."""

    proves: tuple[str, ...]
    """Ids of the methods whose claim this is; the methods of one paper may share a proof."""
    ours: str
    """The arm of the method."""
    control: str
    """The arm with the method switched off, which must not show the gains that are claimed."""
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
    """The seeds of the first block are this and the next; those of the later block follow."""
    seeds: int = 3
    """How many in each block; more where three were too noisy to tell, decided before the first of them."""

    def __post_init__(self) -> None:
        self._need(bool(self.proves) and all(self.proves), "does not say which method it proves")
        self._need(bool(self.ours) and bool(self.control), "does not name its arms")
        self._need(self.ours != self.control, "has the method itself as its control")
        self._need(bool(self.equal.strip()), "does not say what is equal between its arms")
        self._need(len(self.claims) > 0, "claims nothing")
        self._need(any(c.min_effect > 0 for c in self.claims), "has only claims that an arm without effect meets")
        self._need(any(map(self.control_of, self.claims)), "has no claim that its control must fail")
        enough = FEWEST_SEEDS <= self.seeds <= MOST_SEEDS
        self._need(enough, f"takes other than {FEWEST_SEEDS} to {MOST_SEEDS} seeds in a block")
        own = self.first_seed >= 0 and self.first_seed + 2 * self.seeds <= FIRST_TRIAL_SEED
        self._need(own, f"has seeds that are not between 0 and {FIRST_TRIAL_SEED}")
        for claim in self.claims:
            ours = claim.ours or self.ours
            self._need(bool(claim.text) and bool(claim.metric), "has a claim without a text or a metric")
            self._need(claim.baseline != ours, f"compares {ours} with itself: {claim.text!r}")
            self._need(claim.control != ours, f"has {ours} as the control of itself: {claim.text!r}")
            self._need(claim.rule is None, f"is judged by its interval, and no other rule: {claim.text!r}")
        for name in (*self.claimed, *self.rates):
            self._need(name in self.arms, f"has no arm {name!r}")

    def _need(self, condition: bool, what: str) -> None:
        require(condition, what, where=f"proof of {', '.join(self.proves)}", hint="see docs/add-a-method.md")

    @property
    def claimed(self) -> tuple[str, ...]:
        """The arms that verdicts depend on: those of the claims, and the controls."""
        named = [self.ours, self.control]
        for claim in self.claims:
            named += [claim.ours] if claim.ours else []
            named += [claim.baseline] if isinstance(claim.baseline, str) else []
            named += [claim.control] if claim.control else []
        return tuple(dict.fromkeys(named))

    def arm(self, name: str) -> Arm[SettingsT]:
        """The arm of this name."""
        return Arm(name, self.arms[name], self.rates.get(name, 0.0))

    def control_of(self, claim: Claim) -> str | None:
        """The arm that must fail a claim; None where there is none.

        By default a gain has the proof's control, unless that is the baseline itself, and "not worse" has none.
        """
        if claim.control == "":
            return self.control if claim.min_effect > 0 and claim.baseline != self.control else None
        return claim.control

    def block(self, later: bool) -> range:
        """The seeds of the first block or of the later one."""
        start = self.first_seed + self.seeds * later
        return range(start, start + self.seeds)


AnyProof = Proof[Any, Any]
"""A proof of whatever settings: what judges it looks at none of them."""


def judge_all(proof: AnyProof, seeds: Mapping[int, ArmMetrics]) -> tuple[list[Judged], list[Judged | None]]:
    """Every claim for the method, and for the control in its place where it must fail."""
    own = [judge(claim, seeds, claim.ours or proof.ours) for claim in proof.claims]
    controls = [proof.control_of(claim) for claim in proof.claims]
    return own, [judge(claim, seeds, arm) if arm else None for claim, arm in zip(proof.claims, controls, strict=True)]


def verdict_of(own: list[Judged], control: list[Judged | None]) -> Verdict:
    """The proof's verdict on a block: an experiment whose control shows as much cannot tell, and shows nothing."""
    can_tell = all(one is None or one.verdict == "not shown" for one in control)
    return worst(own) if can_tell else "not shown"


def p_of(own: list[Judged]) -> float | None:
    """One p-value of a block: the largest over the claims, all of which must hold; None where one has none."""
    values = [one.p for one in own]
    known = [p for p in values if p is not None]
    return max(known) if len(known) == len(values) else None
