"""HALT on people of whom a model knows in part: is it right more often in what it says, and by one dial?

The world is `people`: two of six things are known, two half, two not at all. The base model answers for people of the
training split; each arm makes of that what it fine-tunes on, and is asked about other people. halt (alpha .4) and
halt-80 remove wrong statements. The paper's baselines: gold (fine-tuning on all that is true), idk (all that is true
where most of the model's answer is right, else "unsure"), and random trimming, as many statements removed by lot, which
is the control halt-off. FactTune, DPO between the model's best and worst answer, is left out for its cost.

`precision`, `recall` and `f1` are of all statements in samples at temperature 1 for held-out people; `given` is the
number of statements in a sample, of the six that are wanted. So recall is what is right of all that there is to say.
The paper's gain of F1 is not claimed: gold says all six things, and is right by chance in what it does not know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Group, rng
from steelyard.core.json import JsonMapping
from steelyard.data import HALT
from steelyard.data.fragments import fragments
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import SFT
from steelyard.policy.text import Text
from steelyard.worlds.people import RELATIONS, UNSURE, base, statements
from steelyard.worlds.people_study import PeopleStudy, total
from steelyard.worlds.sync_loop import moved

SPLIT = r"\.\s*"
BATCH = 96


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    people: int = 240
    base_steps: int = 2000
    """Steps in which the base model hears of everybody."""
    times: int = 4
    """How often each person is asked about whom is learned from: five answers, of which one is taken, each time."""
    steps: int = 160
    """Steps of fine-tuning, on 96 rows each."""
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


Teach = Callable[[PeopleStudy], list[Group]]
"""Makes of the base model's answers what is imitated."""


def built(study: PeopleStudy, alpha: float) -> list[JsonMapping]:
    """What HALT makes of the base model's answers."""
    return study.built(HALT(alpha=alpha, split=SPLIT, marker=UNSURE, shots=0), Knows())


def halted(alpha: float) -> Teach:
    """Fine-tuning on what HALT builds."""

    def teach(study: PeopleStudy) -> list[Group]:
        return study.lessons((row["prompt"], row["answer"]) for row in built(study, alpha))

    return teach


def gold(study: PeopleStudy) -> list[Group]:
    """Fine-tuning on all that is true."""
    return study.lessons(study.true)


def idk(study: PeopleStudy) -> list[Group]:
    """All that is true where more than half of the model's answer is right, else that it does not know."""
    rows = built(study, 0.6)
    known = [2 * row["correct"] > row["given"] for row in rows]
    answers = ((row["prompt"], row["truth"] if k else UNSURE) for row, k in zip(rows, known, strict=True))
    return study.lessons(answers)


def trimmed(study: PeopleStudy) -> list[Group]:
    """As many statements are removed as HALT removes, by lot."""
    draws = rng(study.seed, "halt", "trim")

    def trim(row: JsonMapping) -> str:
        parts = fragments(str(row["sampled"]), SPLIT)
        kept = sorted(draws.permutation(len(parts))[: row["correct"]].tolist())
        return "".join(parts[i] for i in kept).strip() or UNSURE

    return study.lessons((row["prompt"], trim(row)) for row in built(study, 0.4))


ARMS: Mapping[str, Teach] = {
    "halt": halted(0.4),
    "halt-80": halted(0.8),
    "halt-off": trimmed,
    "gold": gold,
    "idk": idk,
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Teach]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model's answers, then each arm's fine-tuning and what it says of held-out people."""
    study = PeopleStudy(seed, setting.people, setting.base_steps, base, setting.times)
    for arm in arms:
        groups = arm.settings(study)
        policy = study.tuned(study.base, SFT(), groups, steps=setting.steps, batch=BATCH, rate=arm.rate)
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
    equal="the base model, its samples, the people learned from, steps and rows; each arm has the better of two rates",
    claims=(
        Claim("What it says is right 15 points more often than after fine-tuning on all that is true", "precision",
              baseline="gold", min_effect=0.15),
        Claim("and 10 points more often than where whole answers are refused (IDK)", "precision",
              baseline="idk", min_effect=0.10),
        Claim("A low alpha gives precision: .4 is right 3 points more often than .8", "precision",
              baseline="halt-80", min_effect=0.03),
        Claim("a high one recall: .8 says 3 points more of what is true than .4", "recall",
              baseline="halt", min_effect=0.03, ours="halt-80"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=500, samples=2),
    rates={**dict.fromkeys(ARMS, 3e-3), "gold": 1e-3, "idk": 1e-3},
    first_seed=22,
    seeds=8,
)  # fmt: skip
