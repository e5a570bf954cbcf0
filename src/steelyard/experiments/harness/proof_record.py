"""What a proof found, as it is kept: every figure of both blocks, the criterion, the scale, and where and when.

A record is docs/evidence/ID.json of the source tree (`steelyard prove --publish` writes it). The package carries all of
them in one file of verdicts, without the figures seed by seed: `harness.evidence`.
"""

from typing import Literal

import msgspec

from steelyard.experiments.harness.claim import as_share, on_scale_of_effect
from steelyard.experiments.harness.effect import UNBOUNDED
from steelyard.experiments.harness.spread import figures


class ClaimFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """One claim on one block of seeds."""

    effect: float
    """The mean over seeds; of the logarithm where the claim is relative."""
    interval: tuple[float, float] | None
    """Of that, 90 %."""
    p: float | None
    """One-sided, of an effect at or below what was claimed."""
    verdict: str
    control_effect: float | None = None
    control_verdict: str | None = None
    """With the control in the method's place; None where no control must fail this claim."""
    ours_by_seed: list[float] = []
    baseline_by_seed: list[float] = []
    control_by_seed: list[float] = []


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proof on one block of seeds."""

    seeds: list[int]
    verdict: str
    p: float | None
    """The largest over the claims; None where one has none."""
    claims: list[ClaimFigures]
    date: str
    machine: str
    core_minutes: float
    """What measuring took, on one core."""
    minutes: float
    """On all cores that were used."""
    commit: str | None
    """Of the source tree when it was judged; its seeds may have been measured before."""
    seed_commits: list[str | None] = []
    """Of the source tree when each seed was measured, None where that is not known."""
    arms: dict[str, dict[str, list[float]]] = {}
    """Arm -> metric -> its value at each seed, of what every seed measured."""


class ClaimRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one claim says: a line of the rubric."""

    text: str
    metric: str
    ours: str
    baseline: str | float
    min_effect: float
    lower_is_better: bool = False
    relative: bool = False
    control: str | None = None
    """The arm that must fail it."""
    kind: str = "claim"

    def refuted_by(self, found: ClaimFigures) -> bool:
        """True where the whole interval lies below what was claimed."""
        least = on_scale_of_effect(self.min_effect, self.relative, self.lower_is_better, self.text)
        return found.interval is not None and found.interval[1] < least


class Scale(msgspec.Struct, frozen=True):
    """How large the experiment was."""

    parameters: int
    """Of the largest policy, or other network, that an arm trained or used."""
    tokens: int | None
    """That the arm which learned most was trained on, at one seed; None where no arm says it."""


class Look(msgspec.Struct, frozen=True):
    """Somebody measured seeds that a verdict rests on."""

    date: str
    commit: str | None
    seeds: list[int]
    block: Literal["first", "later"]
    claims: str
    """Digest of what was claimed then."""


class Among(msgspec.Struct, frozen=True):
    """The correction for the number of proofs as it was when the record was published."""

    proofs: int
    adjusted: float | None


class CodeUsed(msgspec.Struct, frozen=True):
    """What measured a proof: nothing is measured again while it says the same."""

    files: dict[str, str]
    """The source files that any arm reached -> what they said: `code_reached.digests`."""
    libraries: dict[str, str]
    """Python and the libraries that compute -> their versions."""


class ProofRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proof, carried out."""

    id: str
    equal: str
    claims: list[ClaimRecord]
    claims_digest: str
    """Of what is claimed (`harness.criterion`)."""
    command: str
    first: Block
    later: Block | None = None
    """The replication; None where the first block shows nothing, or nobody has run it yet."""
    quick: bool = False
    measure_digest: str | None = None
    """Of how it is measured; None in records from before there was one."""
    scale: Scale | None = None
    conformance: dict[str, int] | None = None
    """Method -> checks of its equation that it passed (`steelyard check`)."""
    looks: list[Look] = []
    """Every look at the verdict's seeds."""
    trials: dict[str, int] | None = None
    """Arm -> settings that were tried on other seeds; None where nobody kept count."""
    among: Among | None = None
    code: CodeUsed | None = None
    """Which code measured it; None in records from before it was kept."""

    @property
    def blocks(self) -> list[Block]:
        """The blocks that were measured."""
        return [block for block in (self.first, self.later) if block is not None]


class NullRate(msgspec.Struct, frozen=True):
    """How often two identical arms were told apart."""

    runs: int
    shown: int
    """Runs whose first block shows the claim."""
    rate: float
    interval: tuple[float, float]
    """Of the rate, 90 %, exact."""
    replicated: int
    """Runs whose later block shows it too: those that the catalogue would call shown, before the correction."""
    replicated_rate: float
    replicated_interval: tuple[float, float]
    seeds: int
    """In a block."""

    @property
    def text(self) -> str:
        """The finding in a sentence."""
        low, high = (f"{100 * end:.1f}" for end in self.interval)
        twice_low, twice_high = (f"{100 * end:.1f}" for end in self.replicated_interval)
        return (
            f"two identical arms were called shown in {self.shown} of {self.runs} first blocks "
            f"({100 * self.rate:.1f} % [{low}, {high}]) and in both blocks in {self.replicated} "
            f"({100 * self.replicated_rate:.1f} % [{twice_low}, {twice_high}])"
        )


def effect_of(claim: ClaimRecord, found: ClaimFigures) -> str:
    """The effect with its interval, and what was claimed; a relative one in percent."""
    unit = " %" if claim.relative else ""
    low_high = "" if found.interval is None else f" [{', '.join(written(claim, end) for end in found.interval)}]"
    least = figures(3)(100 * claim.min_effect) if claim.relative else figures(3)(claim.min_effect)
    return f"{written(claim, found.effect)}{low_high}{unit}, claimed {least}{unit}"


def written(claim: ClaimRecord, effect: float) -> str:
    """An effect as a number; a relative one as a share of the baseline in percent."""
    if not claim.relative:
        return figures(3)(effect)
    unbounded = effect >= UNBOUNDED and not claim.lower_is_better
    return "unbounded" if unbounded else figures(3)(100 * as_share(effect, claim.lower_is_better))


def without_figures(record: ProofRecord) -> ProofRecord:
    """The record without what each seed measured, and by which code: what the package carries."""
    later = None if record.later is None else _brief(record.later)
    return msgspec.structs.replace(record, first=_brief(record.first), later=later, code=None)


def _brief(block: Block) -> Block:
    cut = {"ours_by_seed": [], "baseline_by_seed": [], "control_by_seed": []}
    claims = [msgspec.structs.replace(claim, **cut) for claim in block.claims]
    return msgspec.structs.replace(block, claims=claims, arms={}, seed_commits=[])
