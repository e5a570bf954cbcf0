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
from functools import cached_property

import numpy as np

from steelyard.core import Group, Prompt, Request, Sampling, Weights, rng
from steelyard.core.json import JsonMapping
from steelyard.data import HALT, Tools, records_of
from steelyard.data.fragments import fragments
from steelyard.data.writer import PolicyWriter
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstration
from steelyard.objective import DPO, SFT, Objective
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.policy.text import Text
from steelyard.rollout import engine_for
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.people import LONGEST, RELATIONS, UNSURE, People, base, counted, statements
from steelyard.worlds.sync_loop import copied, moved

SPLIT = r"\.\s*"
BATCH = 32


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    people: int = 240
    base_steps: int = 1500
    """Steps in which the base model hears of everybody."""
    steps: int = 60
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


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def task(self) -> People:
        """The people."""
        return People(people=self.setting.people, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has heard of everybody."""
        return base(self.task, self.seed, self.setting.base_steps)

    def built(self, settings: HALT) -> list[JsonMapping]:
        """What HALT makes of the base model's answers for people of the training split."""
        rows = [{"prompt": str(p.text), "truth": p.columns["answer"]} for p in self.task.prompts("train")]
        records = records_of((f"row {i}", row) for i, row in enumerate(rows))
        writer = PolicyWriter(copied(self.base), "base", Sampling(1.0, LONGEST))
        return [record.fields for record in settings.build(records, records, Tools(self.seed, writer, Knows()))]

    def tuned(self, objective: Objective, groups: Sequence[Group], rate: float) -> Policy:
        """The base model after fine-tuning."""
        draws = rng(self.seed, "halt", "order")
        size = {"steps": self.setting.steps, "batch": BATCH, "learning_rate": rate}
        return fine_tuned(self.base, objective, groups, draws, **size)


Lessons = tuple[Objective, list[Group]]
Teach = Callable[[Study], Lessons]


def halt(alpha: float, threshold: float = 0.5) -> HALT:
    """HALT as the arms have it."""
    return HALT(alpha=alpha, threshold=threshold, split=SPLIT, marker=UNSURE, shots=0)


def imitated(study: Study, pairs: Iterable[tuple[object, object]]) -> Lessons:
    """Fine-tuning on prompts and answers."""
    given = ((Prompt(str(text), str(text)), str(answer)) for text, answer in pairs)
    return SFT(), [[demonstration(study.base, prompt, answer)] for prompt, answer in given]


def halted(alpha: float, threshold: float = 0.5) -> Teach:
    """Fine-tuning on what HALT builds."""

    def teach(study: Study) -> Lessons:
        return imitated(study, ((row["prompt"], row["answer"]) for row in study.built(halt(alpha, threshold))))

    return teach


def gold(study: Study) -> Lessons:
    """Fine-tuning on all that is true."""
    return imitated(study, ((p.text, p.columns["answer"]) for p in study.task.prompts("train")))


def idk(study: Study) -> Lessons:
    """All that is true where more than half of the model's answer is right, else that it does not know."""
    rows = study.built(halt(0.6))
    known = [2 * row["correct"] > row["given"] for row in rows]
    return imitated(study, ((r["prompt"], r["truth"] if k else UNSURE) for r, k in zip(rows, known, strict=True)))


def trimmed(study: Study) -> Lessons:
    """As many statements are removed as HALT removes, by lot."""
    draws = rng(study.seed, "halt", "trim")

    def trim(row: JsonMapping) -> str:
        parts = fragments(str(row["sampled"]), SPLIT)
        kept = sorted(draws.permutation(len(parts))[: row["correct"]].tolist())
        return "".join(parts[i] for i in kept).strip() or UNSURE

    return imitated(study, ((row["prompt"], trim(row)) for row in study.built(halt(0.4))))


def facttune(study: Study) -> Lessons:
    """DPO between the answer with the largest share of right statements and that with the smallest."""
    ends = (study.built(halt(alpha)) for alpha in (1.0, 0.2))
    start = Weights.of(study.base.weights(), 0)
    groups = []
    for best, worst in zip(*ends, strict=True):
        if best["correct"] * worst["given"] > worst["correct"] * best["given"]:
            prompt = Prompt(str(best["prompt"]), str(best["prompt"]))
            pair = [
                demonstration(study.base, prompt, str(row["sampled"]).strip(), reward=reward)
                for row, reward in ((best, 1.0), (worst, 0.0))
            ]
            groups.append(reference_logp(study.base, start, pair, 1.0))
    return DPO(0.1), groups


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


def asked(policy: Policy, study: Study) -> dict[str, float]:
    """The statements in samples for held-out people, counted."""
    prompts = study.task.prompts("held-out")
    numbers = range(study.setting.samples)
    requests = [Request(p.id, tuple(policy.encode(p.text)), n) for p in prompts for n in numbers]
    drawn = engine_for(policy, study.seed).generate(requests, Sampling(1.0, LONGEST))
    truth = {p.id: str(p.columns["answer"]) for p in prompts}
    counts = [counted(policy.decode(t.completion_T), truth[t.prompt_id]) for t in drawn]
    given = sum(one.given for one in counts)
    correct = sum(one.correct for one in counts)
    wanted = len(RELATIONS) * len(counts)
    return {
        "precision": correct / max(given, 1),
        "recall": correct / wanted,
        "f1": 2 * correct / (given + wanted),
        "given": given / len(counts),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Teach]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model's answers, then each arm's fine-tuning and what it says of held-out people."""
    study = Study(seed, setting)
    for arm in arms:
        objective, groups = arm.settings(study)
        policy = study.tuned(objective, groups, arm.rate)
        tokens = BATCH * setting.steps * float(np.mean([sum(len(t.tokens_T) for t in group) for group in groups]))
        scale = {"parameters": float(policy.num_parameters()), "tokens": tokens, "moved": moved(study.base, policy)}
        yield arm.name, {**asked(policy, study), **scale}


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
