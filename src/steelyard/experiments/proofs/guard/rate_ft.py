"""RATE-FT on people of whom two things are said, one of them true: is a detector better for reasons and questions?

The base model has read gossip ("tavo duri : lake rami ."), where what is true and one rumour stand equally often, and
archives ("archive tavo duri : lake rami ."), where all is true. So it knows what is true, and the probability of a
claim in plain words does not tell it: that is the paper's finding about long answers. A detector is tuned on claims
about some people, true and rumoured alike, and asked about others, of whom it has read as much.

Arms: rate-ft; plain (labels alone); no-reasons and no-questions; the control rate-ft-off, whose reasons and answers
say any value; and without tuning logp and entropy, the claim's own mean log-probability and entropy, and asked, what
the model says of a claim before it is tuned. `auroc` and `balanced` are on claims about people who nobody was tuned
on; each arm's threshold is chosen on claims about others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64

from steelyard.core import rng
from steelyard.core.auc import auc
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard import ClaimGuard, RateFT
from steelyard.guard.claim_guard import balanced_accuracy, best_threshold, surprise
from steelyard.guard.claims import Claim as Said
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.people import CONTEXT, RELATIONS, STOP, People, Person, told
from steelyard.worlds.sync_loop import imitate, moved, tiny_policy

BATCH = 32
ARCHIVE = "archive"
WORDS = (*RELATIONS, ":", STOP, ARCHIVE, "?", "true", "false", "because")
ASKS = RateFT(
    claim_template="{prompt} ?",
    question_template="{prompt} ?",
    factual="true",
    hallucinated="false",
    between=" because ",
)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    people: int = 240
    layers: int = 3
    base_steps: int = 1000
    """Steps in which the base model reads gossip and archives, 64 texts each."""
    steps: int = 400
    """Steps of tuning, on 32 lessons each."""


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def task(self) -> People:
        """The people, with what is true of them and the rumours."""
        return People(people=self.setting.people, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has read about everybody."""
        policy = tiny_policy(
            [*self.task.words, *WORDS],
            seed=self.seed,
            width=64,
            layers=self.setting.layers,
            context=CONTEXT,
            spaced=True,
        )
        steps = self.setting.base_steps
        read = list(self._read(64 * steps))
        imitate(policy, read, steps=steps, batch=64, learning_rate=3e-3, seed=self.seed)
        return policy

    def _read(self, number: int) -> Iterator[tuple[str, str]]:
        """Texts about people: half gossip, half archives."""
        draws = rng(self.seed, "rate-ft", "read")
        for i, archived in zip(
            draws.integers(len(self.task.everybody), size=number), draws.random(number) < 0.5, strict=True
        ):
            person = self.task.everybody[i]
            asked = self.task.asked(person)
            if archived:
                yield f"{ARCHIVE} {asked}", told(person.truth)
            else:
                rumoured = draws.random(len(RELATIONS)) < 0.5
                both = zip(person.truth, person.rumour, rumoured, strict=True)
                yield asked, told([rumour if so else truth for truth, rumour, so in both])

    @cached_property
    def parts(self) -> Mapping[str, list[Said]]:
        """Claims about the people who are learned from, who choose the threshold, and who are asked about."""
        train = [p for p in self.task.everybody if not p.held_out]
        few = len(train) // 5
        people = {
            "train": train[few:],
            "validation": train[:few],
            "held-out": [p for p in self.task.everybody if p.held_out],
        }
        return {name: [claim for p in part for claim in self._claims(p)] for name, part in people.items()}

    def _claims(self, person: Person) -> Iterator[Said]:
        """Of each relation what is true, and the rumour."""
        asked = self.task.asked(person)
        who = asked.removesuffix(" :")
        for relation, truth, rumour in zip(RELATIONS, person.truth, person.rumour, strict=True):
            known = {"rationale": f"{relation} {truth}", "question": f"{who} {relation}", "answer": truth}
            yield Said(f"{asked} {relation} {truth} {STOP}", False, **known)
            yield Said(f"{asked} {relation} {rumour} {STOP}", True, **known)

    def noisy(self) -> list[Said]:
        """The claims to learn from, with reasons and answers that say any value."""
        draws = rng(self.seed, "rate-ft", "noise")
        found = []
        for claim in self.parts["train"]:
            relation = claim.rationale.split()[0]
            pool = self.task.pools[RELATIONS.index(relation)]
            value = pool[int(draws.integers(len(pool)))]
            found.append(replace(claim, rationale=f"{relation} {value}", answer=value))
        return found


@dataclass(frozen=True)
class Detector:
    """What tells claims apart: a number for each text, higher where it is less likely true."""

    odds: Callable[[Sequence[str]], Float64[np.ndarray, "N"]]
    policy: Policy
    tokens: float = 0.0
    """Tokens that it was tuned on."""


Make = Callable[[Study, float], Detector]


def tuned(asks: RateFT, *, noisy: bool = False) -> Make:
    """A detector that is tuned."""

    def make(study: Study, rate: float) -> Detector:
        lessons = asks.lessons(study.base, study.noisy() if noisy else study.parts["train"])
        draws = rng(study.seed, "rate-ft", "order")
        size = {"steps": study.setting.steps, "batch": BATCH, "learning_rate": rate}
        policy = fine_tuned(study.base, SFT(), [[lesson] for lesson in lessons], draws, **size)
        tokens = BATCH * study.setting.steps * float(np.mean([len(t.tokens_T) for t in lessons]))
        return Detector(lambda texts: ClaimGuard(policy, asks).read(texts)[0], policy, tokens)

    return make


def untuned(study: Study, rate: float) -> Detector:
    """What the model says of a claim before it is tuned."""
    return Detector(lambda texts: ClaimGuard(study.base, ASKS).read(texts)[0], study.base)


def by_surprise(name: str) -> Make:
    """The model's own numbers."""
    return lambda study, rate: Detector(lambda texts: surprise(study.base, texts)[name], study.base)


ARMS: Mapping[str, Make] = {
    "rate-ft": tuned(ASKS),
    "rate-ft-off": tuned(ASKS, noisy=True),
    "plain": tuned(replace(ASKS, rationales=False, questions=False)),
    "no-reasons": tuned(replace(ASKS, rationales=False)),
    "no-questions": tuned(replace(ASKS, questions=False)),
    "logp": by_surprise("logp"),
    "entropy": by_surprise("entropy"),
    "asked": untuned,
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Make]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm's detector."""
    study = Study(seed, setting)
    for arm in arms:
        detector = arm.settings(study, arm.rate)
        odds_N, truth_N = rated(detector, study.parts["held-out"])
        tau = best_threshold(*rated(detector, study.parts["validation"]))
        yield (
            arm.name,
            {
                "auroc": auc(odds_N[truth_N], odds_N[~truth_N]),
                "balanced": balanced_accuracy(odds_N >= tau, truth_N),
                "parameters": float(detector.policy.num_parameters()),
                "tokens": detector.tokens,
                "moved": moved(study.base, detector.policy),
            },
        )


def rated(detector: Detector, claims: Sequence[Said]) -> tuple[Float64[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """The detector's numbers for claims, and which of these are not true."""
    return detector.odds([claim.text for claim in claims]), np.array([claim.hallucinated for claim in claims])


PROOF = Proof(
    proves=("rate-ft",),
    ours="rate-ft",
    control="rate-ft-off",
    equal="the base model, the claims with their labels, steps, lessons in a step and learning rate",
    claims=(
        Claim("Its AUROC on claims about other people is .03 above that of tuning on labels alone", "auroc",
              baseline="plain", min_effect=0.03),
        Claim("and its balanced accuracy 2 points", "balanced", baseline="plain", min_effect=0.02),
        Claim("AUROC is .2 above that of the claim's own log-probability", "auroc", baseline="logp", min_effect=0.2),
        Claim("and .2 above that of its entropy", "auroc", baseline="entropy", min_effect=0.2),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=600, steps=200),
    rates={name: 1e-3 for name in ARMS if name not in ("logp", "entropy", "asked")},
)  # fmt: skip
