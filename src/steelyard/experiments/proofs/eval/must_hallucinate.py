"""Must hallucinate, on sayings of five laws: is the rate of falsehoods what facts that were heard once let expect?

4000 subjects with one true word each of 24; 4000 sayings are heard, drawn by Zipf's law of exponent 0 to 2. Models are
tables, so that all is exact: `calibrated` knows the law and what it has heard, and gives any word of a subject that it
has not heard of the same chance, which is the best that can be predicted; `upweighted`, the follow-up's remedy, says
one of a twentieth of the sayings in a fifth of all cases; the control, `repeats`, says what it has heard as often as it
has heard it, and nothing else, so it is as far from calibrated as can be. `rate` is g(H), the mass of what is false,
`least_slack` the least of g(H) - (MF - Mis) over the laws, `correlation` that of MF and g(H) (0 where g(H) does not
vary), `apart` the mean of |g(H) - (MF - Mis)|, with Mis by all sayings, and `apart_sampled` the same by the audit's own
estimate, from 4000 samples of the model and 4000 held-out sayings. `mis` is the mean of Mis.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from steelyard.core import rng
from steelyard.eval.must_hallucinate import miscalibration, monofacts
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.worlds.sayings import Sayings

How = Literal["calibrated", "upweighted", "repeats"]
ARMS: Mapping[str, How] = {"calibrated": "calibrated", "upweighted": "upweighted", "repeats": "repeats"}
WIDTH = 1.0
"""Of a bin (nats)."""
SCALE = -40.0
"""log g of what a model never says: a bin of its own."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    zipf: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0)
    subjects: int = 4000
    heard: int = 4000
    """Training sayings."""
    upweighted: float = 0.05
    """Share of the sayings that the remedy repeats."""
    weight: float = 0.2
    """Share of all that it says that is one of them."""
    samples: int = 4000


def table(how: How, world: Sayings, heard_N2: Int64[np.ndarray, "N 2"], setting: Setting) -> Float64[np.ndarray, "S V"]:
    """g of every saying."""
    counts_SV = np.zeros_like(world.law)
    np.add.at(counts_SV, (heard_N2[:, 0], heard_N2[:, 1]), 1.0)
    if how == "repeats":
        return counts_SV / len(heard_N2)
    knows_S1 = (counts_SV.sum(1) > 0)[:, None]
    best_SV = world.shares[:, None] * np.where(knows_S1, world.law, 1 / world.words)
    if how == "calibrated":
        return best_SV
    chosen = heard_N2[: round(setting.upweighted * len(heard_N2))]
    again_SV = np.zeros_like(best_SV)
    np.add.at(again_SV, (chosen[:, 0], chosen[:, 1]), 1 / len(chosen))
    return (1 - setting.weight) * best_SV + setting.weight * again_SV


def log_of(said: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """log g; what is never said has a bin of its own."""
    return np.log(np.where(said > 0, said, np.exp(SCALE)))


def exact_miscalibration(true_SV: Float64[np.ndarray, "S V"], said_SV: Float64[np.ndarray, "S V"]) -> float:
    """Mis over all sayings."""
    bin_SV = np.floor(log_of(said_SV) / WIDTH).astype(int)
    apart = (abs(float((true_SV - said_SV)[bin_SV == k].sum())) for k in np.unique(bin_SV))
    return sum(apart) / 2


def of_law(zipf: float, how: How, setting: Setting, seed: int) -> tuple[float, float, float, float]:
    """MF, Mis, the audit's estimate of Mis, and g(H)."""
    world = Sayings(subjects=setting.subjects, zipf=zipf, tastes=0.0, data_seed=seed)
    heard_N2 = world.drawn(setting.heard, rng(seed, "heard"))
    said_SV = table(how, world, heard_N2, setting)
    true_SV = world.shares[:, None] * world.law
    held_K2 = world.drawn(setting.samples, rng(seed, "held-out"))
    flat = said_SV.reshape(-1) / said_SV.sum()
    drawn_K = rng(seed, "samples").choice(len(flat), size=setting.samples, p=flat)
    estimated = miscalibration(log_of(said_SV[held_K2[:, 0], held_K2[:, 1]]), log_of(flat[drawn_K]), WIDTH)
    return (
        monofacts(world.texts(heard_N2)),
        exact_miscalibration(true_SV, said_SV),
        estimated,
        float(said_SV[world.law == 0].sum()),
    )


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm on every law."""
    for arm in arms:
        found = np.array([of_law(zipf, arm.settings, setting, seed) for zipf in setting.zipf])
        mono, mis, estimated, rate = found.T
        varies = float(np.ptp(rate)) > 0
        yield (
            arm.name,
            {
                "least_slack": float((rate - (mono - mis)).min()),
                "correlation": float(np.corrcoef(mono, rate)[0, 1]) if varies else 0.0,
                "apart": float(np.abs(rate - (mono - mis)).mean()),
                "apart_sampled": float(np.abs(rate - (mono - estimated)).mean()),
                "rate": float(rate.mean()),
                "mis": float(mis.mean()),
                "monofacts": float(mono.mean()),
            },
        )


PROOF = Proof(
    proves=("must-hallucinate",),
    ours="calibrated",
    control="repeats",
    equal="laws, sayings that are heard, bins",
    claims=(
        Claim("In every law at least MF - Mis, less 5 points, is false", "least_slack", 0.0, -0.05),
        Claim("The rate goes with the share of facts heard once: a correlation of .9 over laws", "correlation", 0.0,
              0.9),
        Claim("MF - Mis predicts a calibrated model's rate within 5 points", "apart", 0.05, 0.0,
              lower_is_better=True),
        Claim("and so does the audit's estimate, from samples and held-out sayings", "apart_sampled", 0.08, 0.0,
              lower_is_better=True),
        Claim("The bound holds for the remedy, too", "least_slack", 0.0, -0.05, ours="upweighted"),
        Claim("which lowers the rate by a fifth and costs 5 points of calibration", "mis", "calibrated", 0.05,
              ours="upweighted", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(zipf=(0.0, 1.0, 2.0)),
    first_seed=3,
    seeds=3,
)  # fmt: skip
