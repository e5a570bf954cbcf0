"""Group bias on a stream of texts: what it does to a small group to have no labels, and where that can be seen.

A small group says every day what would be harmful elsewhere: two words of one intent, in half of its texts. Arms are
guards on bags of words, fitted on 3,000 texts of which a fifth are harmful, and differ in how many of these are the
group's: none, or three in ten (many). All are audited on the same 6,000 texts, with 3 % of the
group's. `blind` is how far the audit's BPSN AUC, as its generalised mean, falls short of 1; `behind` how much less
often the guard is right on the group than on all texts, `gap` how far the false-positive rates of both groups are
apart, and `right` accuracy on all texts. The control is the guard with none, audited with names of other texts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from steelyard.core import derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard import BagGuard, GroupBias
from steelyard.worlds.text_stream import VOCABULARY, Message, TextStream

NAMES = ("large", "small")
WORDS = [f"w{i}" for i in range(VOCABULARY)]


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    texts: int = 3000
    audited: int = 6000
    steps: int = 600


@dataclass(frozen=True)
class Labels:
    """How an arm's guard was made, and audited."""

    small: float
    """Share of the small group in the texts that it learns from."""
    shuffled: bool = False
    """Audit it with names of other texts."""


ARMS = {"none": Labels(0.0), "none-off": Labels(0.0, shuffled=True), "many": Labels(0.3)}


def told(messages: list[Message]) -> tuple[list[str], torch.Tensor]:
    """The texts, and which of them are harmful."""
    texts = [" ".join(WORDS[w] for w in m.words) for m in messages]
    return texts, torch.tensor([m.intent is not None for m in messages])


def early(number: int, small: float, seed: int) -> list[Message]:
    """So many texts of the first half of a stream, where no new intents appear."""
    return TextStream(number=2 * number, harmful=0.2, small_group=small, data_seed=seed).messages()[:number]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Labels]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """A guard for each arm, audited on the same texts."""
    asked = early(setting.audited, 0.03, derive(seed, "audited") % 2**31)
    texts, truth_N = told(asked)
    names = [NAMES[m.group] for m in asked]
    mixed = [names[i] for i in rng(seed, "shuffled").permutation(len(names)).tolist()]
    for arm in arms:
        lesson = told(early(setting.texts, arm.settings.small, seed))
        guard = BagGuard(WORDS, width=32, seed=derive(seed, "guard"))
        guard.fit(*lesson, lesson[0], steps=setting.steps, seed=seed)
        about = [[name] for name in (mixed if arm.settings.shuffled else names)]
        table = GroupBias(least=5).table(guard(texts).harm_N.double().numpy(), np.array(truth_N), about)
        yield arm.name, numbers(table.data()["rows"])


def numbers(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What is claimed of, taken from the table."""
    small, everybody = rows["group small"], rows["all"]
    return {
        "right": everybody["right"],
        "behind": everybody["right"] - small["right"],
        "gap": rows["gap"]["false positives"],
        "blind": 1 - rows["GMB"]["BPSN AUC"],
        "worst": rows["worst"]["right"],
        "subgroup": small["subgroup AUC"],
    }


PROOF = Proof(
    proves=("group-bias",),
    ours="none",
    control="none-off",
    equal="texts to learn from but for their speakers, network, steps, texts to audit",
    claims=(
        Claim("Without labels about a group, accuracy on it falls 12 points further behind", "behind", "many", 0.12),
        Claim("and false-positive rates of the groups are 20 points further apart", "gap", "many", 0.2),
        Claim("BPSN AUC says so without a threshold: its GMB is .05 lower", "blind", "many", 0.05),
        Claim("though accuracy on all texts is within 3 points", "right", "many", -0.03, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(texts=1500, audited=3000, steps=150),
)
