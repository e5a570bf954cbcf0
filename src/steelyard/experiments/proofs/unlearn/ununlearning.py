"""What is told returns, even to a model that never knew, until a filter stops it: the audit `ununlearning` on topics.

`retrained` never heard of the topic that is to be forgotten, as exact unlearning would have it; each prompt comes after
a note of its own fact. `alone` are the prompts without a note. In `other-notes`, the control, each comes after the note
of another fact. `filtered` stops what says a forgotten answer beside its question; `other-filter` knows the facts to be
kept in place of the forgotten ones. `answered` is the share of forgotten prompts answered, `kept_blocked` the share of
prompts to be kept, after notes of their own, that the filter stops.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.policy import Policy
from steelyard.unlearn import Ununlearning
from steelyard.unlearn.material import Material
from steelyard.worlds.topic_unlearning import TEACHING, WAYS, Way, figure, material, twins, unlearned
from steelyard.worlds.topics import LONGEST, Topics

NEVER = Way(None, retains=False)
"""Stands for the model that never knew."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    teaching: int = TEACHING
    """Steps of the model that knows, and of its twin."""


@dataclass(frozen=True)
class Telling:
    """A model, and what it is told."""

    way: Way = NEVER
    row: str = "told"
    """The row of the audit's table: alone, told or told_filtered."""
    others: bool = False
    """Notes are of other facts."""
    wrong_filter: bool = False
    """The filter knows the facts to be kept."""


ARMS = {
    "retrained": Telling(),
    "alone": Telling(row="alone"),
    "other-notes": Telling(others=True),
    "filtered": Telling(row="told_filtered"),
    "other-filter": Telling(row="told_filtered", wrong_filter=True),
    **{name: Telling(WAYS[name]) for name in ("original", "npo", "idk")},
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Telling]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows and its twin, then each arm's model as it is told."""
    world = Topics(data_seed=seed)
    models = twins(world, seed=seed, steps=setting.teaching)
    asked = material(world, models)
    asked = replace(asked, original=None, retrained=None)  # they are arms
    for arm in arms:
        told = arm.settings
        known = told.way != NEVER
        policy = unlearned(world, models.original, told.way, seed=seed) if known else models.retrained
        yield arm.name, answers(policy, asked, told) | {"parameters": float(policy.num_parameters(trainable=False))}


def answers(policy: Policy, asked: Material, told: Telling) -> dict[str, float]:
    """What the audit says of the row of an arm."""
    if told.others:
        asked = replace(asked, definitions=turned(asked))
    if told.wrong_filter:
        asked = replace(asked, forget=asked.retain, retain=asked.forget)
    table = Ununlearning(LONGEST).measure(policy, asked)
    row = f"kept_{told.row}" if told.wrong_filter else told.row
    samples, kept = figure(table, row, "questions"), figure(table, "kept_told", "questions")
    return {
        "answered": figure(table, row, "accuracy"),
        "answered/n": samples,
        "kept_blocked": figure(table, "kept_told", "blocked"),
        "kept_blocked/n": kept,
    }


def turned(asked: Material) -> dict[str, str]:
    """The notes of the forgotten facts, each half of them away."""
    ids = [row.prompt.id for row in asked.forget]
    half = len(ids) // 2
    return {id: asked.definitions[ids[(i + half) % len(ids)]] for i, id in enumerate(ids)}


PROOF = Proof(
    proves=("ununlearning",),
    ours="retrained",
    control="other-notes",
    equal="facts, notes and questions",
    claims=(
        Claim("A model that never knew answers 70 points more of the forgotten prompts once a note says it", "answered",
              "alone", 0.7),
        Claim("no fewer than the model that knows, but for 5 points", "answered", "original", -0.05,
              control="other-notes"),
        Claim("a filter of what says it takes 70 points of that away", "answered", "retrained", 0.7,
              lower_is_better=True, ours="filtered", control="other-filter"),
        Claim("and stops at most 5 % of what is to be kept, told in the same way", "kept_blocked", 0.0, -0.05,
              lower_is_better=True, ours="filtered", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(teaching=300),
    seeds=3,
)  # fmt: skip
