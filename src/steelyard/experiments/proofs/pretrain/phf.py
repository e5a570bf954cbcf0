"""Pretraining with preferences on a grammar corpus: a fifth of the sentences, in half of the documents, is not wanted.

Every arm trains a fresh model on the same documents of three sentences for as many steps: `mle`; `filtering`, on the
documents without a bad sentence; `phf`, which is conditional training; `unlikelihood`, `rwr` and `awr`; `late`, which
is MLE and then conditional training for the last quarter; and the control `phf-off`, its tags dealt out at random.
`bad` is the share of samples with an unwanted word, `wrong` that of all others that the clean source would not say, and
`kl` the divergence of the model from the clean source, the mean of log p_clean - log pi over clean sentences (nats).
All three regard a document's first sentence, after the tag for aligned ones where there are tags. The arms of the
claims learn at the rate of 2.5e-3, 5e-3 and 1e-2 at which they say the fewest bad sentences, on seeds 900 to 903; the
others, which no claim is about, at 5e-3.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from steelyard.core import Request, Sampling, Trajectory, WarmupStableDecay, pad, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import Adam, Learner
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.pretrain import AWR, PHF, RWR, Document, Filtering, Segment, Unlikelihood, document, trajectory_of
from steelyard.rollout import engine_for
from steelyard.worlds.grammar import CHARACTERS, LONGEST, Grammar, first_sentence, is_clean, logp_clean, unwanted
from steelyard.worlds.sync_loop import copied, moved, tiny_policy

TAGS = PHF(aligned="+", misaligned="-")
Corpus = Literal["plain", "clean", "tagged", "dealt"]
"""Documents as they are, those without a bad sentence, all with tags, all with tags dealt out at random."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 400
    samples: int = 2000
    """And as many clean sentences, that a model is measured on."""


@dataclass(frozen=True)
class Pretraining:
    """How an arm is trained."""

    objective: Objective
    corpora: tuple[Corpus, ...]
    """One after another, each for as many steps."""

    @property
    def tag(self) -> str:
        """What stands before a document that the model is to be measured on."""
        return TAGS.aligned if self.corpora[-1] in ("tagged", "dealt") else ""


ARMS = {
    "mle": Pretraining(SFT(), ("plain",)),
    "filtering": Pretraining(SFT(), ("clean",)),
    "phf": Pretraining(SFT(), ("tagged",)),
    "phf-off": Pretraining(SFT(), ("dealt",)),
    "late": Pretraining(SFT(), ("plain", "plain", "plain", "tagged")),
    "unlikelihood": Pretraining(Unlikelihood(), ("plain",)),
    "rwr": Pretraining(RWR(beta=0.1), ("plain",)),
    "awr": Pretraining(AWR(beta=0.1), ("plain",)),
}


def train(learner: Learner, documents: Sequence[Document], steps: int, seed: int) -> None:
    """So many steps more, each on 32 documents drawn anew."""
    given = [trajectory_of(learner.policy, d) for d in documents]
    for step in range(learner.steps, learner.steps + steps):
        learner.step([[given[i]] for i in rng(seed, "batch", step).integers(len(given), size=32)])


def shuffled(documents: Sequence[Document], seed: int) -> list[Document]:
    """The same sentences in the same places, with their scores dealt out at random."""
    scores = iter(rng(seed, "shuffled").permutation([s.score for d in documents for s in d.segments]).tolist())
    return [Document(tuple(Segment(s.text, next(scores)) for s in d.segments)) for d in documents]


def described(policy: Policy, tag: str, seed: int, number: int) -> dict[str, float]:
    """What is measured, on so many samples and clean sentences."""
    asked = [Request("first", (policy.eos_ids[0], *policy.encode(tag)), i) for i in range(number)]
    samples = engine_for(policy, seed).generate(asked, Sampling(max_tokens=LONGEST))
    said = [first_sentence(policy.decode(t.completion_T)) for t in samples]
    clean = Grammar().sentences(number, seed=seed, bad=0.0)
    given = pad([given_after(policy, tag, sentence) for sentence in clean])
    with torch.no_grad():
        logp_NT = policy.step_logp(given.tokens_NT, given.attend_NT, given.action_NT).logp_NT
    bad = sum(unwanted(s) > 0 for s in said)
    wrong = sum(not is_clean(s) for s in said) - bad
    kl = float(np.mean([logp_clean(s) for s in clean])) - float(logp_NT.sum(1).mean())
    return {**share("bad", bad, number), "wrong": wrong / number, "kl": kl}


def given_after(policy: Policy, tag: str, sentence: str) -> Trajectory:
    """A sentence whose characters alone are actions."""
    t = trajectory_of(policy, document([tag + sentence], unwanted))
    return t.replace(action_T=t.action_T & (np.arange(len(t.tokens_T)) > len(tag)) & (t.tokens_T != policy.eos_ids[0]))


def corpora(seed: int) -> dict[Corpus, list[Document]]:
    """The documents of a seed, in each form."""
    sentences = Grammar().sentences(9000, seed=seed)
    plain = [document(sentences[i : i + 3], unwanted) for i in range(0, len(sentences), 3)]
    return {
        "plain": plain,
        "clean": Filtering().prepare(plain),
        "tagged": TAGS.prepare(plain),
        "dealt": TAGS.prepare(shuffled(plain, seed)),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Pretraining]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm of a seed, on one corpus."""
    documents = corpora(seed)
    schedule = WarmupStableDecay(warmup=30, stable=0, decay=setting.steps - 30, floor=0.02)
    for arm in arms:
        start = tiny_policy(CHARACTERS + "+-", seed=seed, width=48, layers=2, heads=4, context=64)
        policy = copied(start)
        learner = Learner(policy, arm.settings.objective, Adam(beta2=0.98, schedule=schedule), learning_rate=arm.rate)
        for corpus in arm.settings.corpora:
            train(learner, documents[corpus], setting.steps // len(arm.settings.corpora), seed)
        size = float(policy.num_parameters())
        row = described(policy, arm.settings.tag, seed, setting.samples)
        yield arm.name, row | {"moved": moved(start, policy), "parameters": size}


PROOF = Proof(
    proves=("phf", "awr", "filtering", "rwr", "unlikelihood"),
    ours="phf",
    control="phf-off",
    equal="3000 documents (filtering: those it keeps), the steps, the batch, the model; each its best of three rates",
    claims=(
        Claim("conditional training says a fifth of MLE's bad sentences, or fewer", "bad", "mle", 0.8,
              lower_is_better=True, relative=True),
        Claim("and is nearer to the clean source by 0.1 nats a sentence", "kl", "mle", 0.1, lower_is_better=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=240, samples=500),
    rates=dict.fromkeys(ARMS, 5e-3) | dict.fromkeys(("mle", "phf-off"), 2.5e-3),
    first_seed=20,
    seeds=6,
)  # fmt: skip
