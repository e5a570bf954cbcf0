"""HALT on people of whom a model knows in part: is it right more often in what it says, and by one dial?

The world is `people`: two of six things are known, two half, two not at all. The base model answers for people of the
training split; each arm makes of that what it fine-tunes on, and is asked about other people. halt (alpha .4), halt-60
and halt-80 remove wrong statements. The paper's baselines: gold (fine-tuning on all that is true), idk (all that is
true where most of the model's answer is right, else "unsure"), facttune (DPO between the model's best and worst
answer), and random trimming, as many statements removed by lot, which is the control halt-off. `own` is fine-tuning
on the model's own answers, threshold 0.

`precision`, `recall` and `f1` are of all statements in samples at temperature 1 for held-out people; `given` is the
number of statements in a sample, of the six that are wanted. So recall is what is right of all that there is to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Group, rng
from steelyard.core.json import JsonMapping
from steelyard.data import HALT
from steelyard.data.fragments import fragments
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import DPO, SFT, Objective
from steelyard.policy.text import Text
from steelyard.worlds.people import RELATIONS, UNSURE, base, statements
from steelyard.worlds.people_study import PeopleStudy, total
from steelyard.worlds.sync_loop import moved

SPLIT = r"\.\s*"
BATCH = 32


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    people: int = 240
    base_steps: int = 1500
    """Steps in which the base model hears of everybody."""
    steps: int = 120
    """Steps of fine-tuning, on 32 rows each."""
    samples: int = 8
    """For each held-out person."""


@dataclass(frozen=True)
class Knows:
    """The judge: 1 for a statement that is true of the person."""

    name: str = "the world"

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """A number for each statement; the column `truth` says what is true."""
        pairs = zip(completions, columns["truth"], strict=True)
        return [float(said.rstrip(" .") in statements(str(truth))) for said, truth in pairs]


Lessons = tuple[Objective, list[Group]]
Teach = Callable[[PeopleStudy], Lessons]


def halt(alpha: float, threshold: float = 0.5) -> HALT:
    """HALT as the arms have it."""
    return HALT(alpha=alpha, threshold=threshold, split=SPLIT, marker=UNSURE, shots=0)


def built(study: PeopleStudy, settings: HALT) -> list[JsonMapping]:
    """What HALT makes of the base model's answers."""
    return study.built(settings, Knows())


def halted(alpha: float, threshold: float = 0.5) -> Teach:
    """Fine-tuning on what HALT builds."""

    def teach(study: PeopleStudy) -> Lessons:
        rows = built(study, halt(alpha, threshold))
        return SFT(), study.lessons((row["prompt"], row["answer"]) for row in rows)

    return teach


def gold(study: PeopleStudy) -> Lessons:
    """Fine-tuning on all that is true."""
    return SFT(), study.lessons(study.true)


def idk(study: PeopleStudy) -> Lessons:
    """All that is true where more than half of the model's answer is right, else that it does not know."""
    rows = built(study, halt(0.6))
    known = [2 * row["correct"] > row["given"] for row in rows]
    answers = ((row["prompt"], row["truth"] if k else UNSURE) for row, k in zip(rows, known, strict=True))
    return SFT(), study.lessons(answers)


def trimmed(study: PeopleStudy) -> Lessons:
    """As many statements are removed as HALT removes, by lot."""
    draws = rng(study.seed, "halt", "trim")

    def trim(row: JsonMapping) -> str:
        parts = fragments(str(row["sampled"]), SPLIT)
        kept = sorted(draws.permutation(len(parts))[: row["correct"]].tolist())
        return "".join(parts[i] for i in kept).strip() or UNSURE

    return SFT(), study.lessons((row["prompt"], trim(row)) for row in built(study, halt(0.4)))


def facttune(study: PeopleStudy) -> Lessons:
    """DPO between the answer with the largest share of right statements and that with the smallest."""
    ends = (built(study, halt(alpha)) for alpha in (1.0, 0.2))
    apart = [
        (best["prompt"], str(best["sampled"]).strip(), str(worst["sampled"]).strip())
        for best, worst in zip(*ends, strict=True)
        if best["correct"] * worst["given"] > worst["correct"] * best["given"]
    ]
    return DPO(0.1), study.preferences(study.base, apart)


ARMS: Mapping[str, Teach] = {
    "halt": halted(0.4),
    "halt-60": halted(0.6),
    "halt-80": halted(0.8),
    "halt-off": trimmed,
    "gold": gold,
    "own": halted(0.4, threshold=0.0),
    "idk": idk,
    "facttune": facttune,
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Teach]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model's answers, then each arm's fine-tuning and what it says of held-out people."""
    study = PeopleStudy(seed, setting.people, setting.base_steps, base)
    for arm in arms:
        objective, groups = arm.settings(study)
        policy = study.tuned(study.base, objective, groups, steps=setting.steps, batch=BATCH, rate=arm.rate)
        said = study.asked(policy, setting.samples)
        given, correct = total(said)
        wanted = len(RELATIONS) * len(said)
        tokens = BATCH * setting.steps * float(np.mean([sum(len(t.tokens_T) for t in group) for group in groups]))
        yield (
            arm.name,
            {
                "precision": correct / max(given, 1),
                "recall": correct / wanted,
                "f1": 2 * correct / (given + wanted),
                "given": given / len(said),
                "parameters": float(policy.num_parameters()),
                "tokens": tokens,
                "moved": moved(study.base, policy),
            },
        )


PROOF = Proof(
    proves=("halt",),
    ours="halt",
    control="halt-off",
    equal="the base model, its samples, the people that are learned from, steps, rows in a step and learning rate",
    claims=(
        Claim("What it says is right 15 points more often than after fine-tuning on all that is true", "precision",
              baseline="gold", min_effect=0.15),
        Claim("and 10 points more often than where whole answers are refused (IDK)", "precision",
              baseline="idk", min_effect=0.10),
        Claim("and 10 points more often than after DPO by factuality (FactTune)", "precision",
              baseline="facttune", min_effect=0.10),
        Claim("A low alpha gives precision: .4 is right 3 points more often than .8", "precision",
              baseline="halt-80", min_effect=0.03),
        Claim("a high one recall: .8 says 3 points more of what is true than .4", "recall",
              baseline="halt", min_effect=0.03, ours="halt-80"),
        Claim("F1 is 2 points above that of fine-tuning on all that is true, with alpha .8", "f1",
              baseline="gold", min_effect=0.02, ours="halt-80"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=500, samples=2),
    rates=dict.fromkeys(ARMS, 1e-3),
)  # fmt: skip
