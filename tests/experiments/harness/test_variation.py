from dataclasses import dataclass, replace
from typing import Literal

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.harness.variation import Variation, varied
from steelyard.objective import CANON, TOPR
from steelyard.worlds.described import described


@dataclass(frozen=True)
class World:
    size: int = 3
    kind: Literal["round", "flat"] = "flat"
    shares: tuple[float, ...] = (0.5,)


@dataclass(frozen=True)
class Setting:
    world: World
    steps: int = 80


PROOF = Proof(
    ("mine",),
    "mine",
    "off",
    "all",
    (Claim("more", "score", "canon", 0.1),),
    lambda seed, setting, arms: iter(()),
    {"mine": TOPR(), "off": TOPR(baseline=0.5), "canon": CANON()},
    Setting(World()),
    Setting(World(), steps=4),
    {"mine": 1e-3, "off": 1e-3},
)


def test_as_it_stands_it_is_the_proof():
    setting, arms = varied(PROOF, Variation(), quick=False)
    assert setting == PROOF.setting
    assert arms == [PROOF.arm(name) for name in PROOF.arms]
    setting, arms = varied(PROOF, Variation(), quick=True)
    assert (setting, [arm.name for arm in arms]) == (PROOF.quick, ["mine", "off", "canon"])


def test_fields_of_the_setting_and_of_arms_are_changed():
    changes = (("world.size", "7"), ("world.kind", "round"), ("world.shares", "[1, 0.25]"), ("baseline", "0.2"))
    setting, arms = varied(PROOF, Variation(changes=changes, rate=5e-4), quick=False)
    assert setting == Setting(World(7, "round", (1.0, 0.25)))
    assert [arm.settings for arm in arms] == [TOPR(baseline=0.2), TOPR(baseline=0.2), CANON()]
    assert [arm.rate for arm in arms] == [5e-4, 5e-4, 0.0], "who learns at none goes on so"


@pytest.mark.parametrize(
    ("variation", "said"),
    [
        (Variation(arms=("mien",)), "has no arm 'mien'; did you mean 'mine'"),
        (Variation(changes=(("world.sise", "7"),)), "has a field 'world.sise'; did you mean 'world.size'"),
        (Variation(changes=(("steps", "many"),)), "steps: refuses 'many'"),
        (Variation(changes=(("world.kind", "square"),)), "kind: refuses 'square'"),
    ],
)
def test_what_is_not_there_or_refused_is_said(variation, said):
    with pytest.raises(SteelyardError, match=said):
        varied(PROOF, variation, quick=False)


def test_a_setting_is_described_by_its_values_alone():
    assert described(PROOF.arm("mine")) == described(replace(PROOF, seeds=5).arm("mine"))
    assert described(World()) != described(World(size=4))
    assert described({"b", "a"}) == ["a", "b"]

    class Plain:
        def __init__(self) -> None:
            self.x = 1

    assert described(Plain()) == described(Plain())
