"""HarmAug on toy safety: labels cover four harmful acts of twelve, and a model that refuses knows them all.

A teacher, a bag-of-words guard, was fitted on requests with all acts. The student is an n-gram guard and has 60 harmful
requests with four of the acts, and 600 harmless ones. The model that writes is a small transformer, which answers
"ask EXAMPLE :" with a refusal, always, and goes on with some harmful request, of any act, where its answer has begun
with "idea". Arms, which differ in the texts that the teacher rates beside those with labels: what the model writes with
the prefix (harmaug); what it says without one (harmaug-off, the control); as many of the student's own requests with
words exchanged for others that occur there (edits); none (plain). By held-out requests with all acts: `f1`, `auprc`,
`kept`, F1 as a share of the teacher's; `usable` is the share of what was asked for that is a new harmful request.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from steelyard.core import Prompt, Sampling, derive, rng
from steelyard.data import HarmAug, Tools, records_of
from steelyard.data.harmaug import HARMFUL, HARMLESS, LABEL, TEXT
from steelyard.data.writer import PolicyWriter
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard import BagGuard, f1
from steelyard.guard.curves import average_precision
from steelyard.guard.distillation import Distillation
from steelyard.guard.sparse_distil import SparseDistil
from steelyard.policy import Policy
from steelyard.worlds.safety import ToySafety
from steelyard.worlds.sync_loop import imitate, tiny_policy

ASK, REFUSAL, IDEA, STOP = "ask", "no", "idea", ":"
RULE = HarmAug(
    request=f"{ASK}{{examples}} {STOP}", example=" {text}", examples=1, samples=10, prefix=f" {IDEA}", chat=False
)
Extra = Literal["prefix", "no prefix", "edits", "none"]
ARMS: Mapping[str, Extra] = {"harmaug": "prefix", "harmaug-off": "no prefix", "edits": "edits", "plain": "none"}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    requests: int = 12_000
    """Of which three in five are not held out."""
    acts: int = 4
    """Harmful acts that labels cover, of twelve."""
    harmful: int = 60
    harmless: int = 600
    writer_steps: int = 300
    steps: int = 400


class Office:
    """Requests, a teacher and a writer of a seed."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        self.world = ToySafety(requests=setting.requests, cloaked_share=0.0, data_seed=seed)
        self.train = self.world.prompts("train")
        self.asked, self.truth_N = told(self.world.prompts("held-out"))
        known = self.world.lexicon.words["wicked"][: setting.acts]
        harmful = [p for p in self.train if p.columns["harm"] and any(w in known for w in str(p.text).split())]
        harmless = [p for p in self.train if not p.columns["harm"]]
        self.texts, self.harm_N = told([*harmful[: setting.harmful], *harmless[: setting.harmless]])

    @cached_property
    def teacher(self) -> BagGuard:
        """A guard that knows every act."""
        texts, harm_N = told(self.train)
        words = [word for kind in self.world.lexicon.words.values() for word in kind]
        guard = BagGuard(words, width=64, seed=derive(self.seed, "teacher"))
        return guard.fit(texts, harm_N, texts, steps=400, seed=self.seed)

    @cached_property
    def writer(self) -> Policy:
        """A model that refuses, unless its answer has begun."""
        words = [word for kind in self.world.lexicon.words.values() for word in kind]
        policy = tiny_policy([*words, ASK, REFUSAL, IDEA, STOP], seed=self.seed, width=32, context=32, spaced=True)
        harmful = [str(p.text) for p in self.train if p.columns["harm"]]
        draws = rng(self.seed, "harmaug", "writer")
        pairs = []
        for example, other in draws.integers(len(harmful), size=(4000, 2)).tolist():
            request = f"{ASK} {harmful[example]} {STOP}"
            pairs += [(request, REFUSAL), (f"{request} {IDEA}", harmful[other])]
        imitate(policy, pairs, steps=self.setting.writer_steps, batch=32, learning_rate=5e-3, seed=self.seed)
        return policy

    def further(self, extra: Extra) -> list[str]:
        """The texts that an arm has beside those with labels."""
        if extra == "edits":
            return self.edited()
        if extra == "none":
            return []
        labels = (HARMFUL if harm else HARMLESS for harm in self.harm_N.tolist())
        rows = ({TEXT: text, LABEL: label} for text, label in zip(self.texts, labels, strict=True))
        records = records_of((f"text {i}", row) for i, row in enumerate(rows))
        rule = RULE if extra == "prefix" else replace(RULE, prefix="")
        written = rule.build(records, records, Tools(self.seed, PolicyWriter(self.writer, "writer", Sampling(1.0, 12))))
        return [*dict.fromkeys(str(record.fields[TEXT]) for record in written)]

    def edited(self) -> list[str]:
        """As many texts: harmful ones with a third of their words exchanged for others that occur in the labelled."""
        draws = rng(self.seed, "harmaug", "edits")
        known = sorted({word for text in self.texts for word in text.split()})
        made: list[str] = []
        for text in self.texts[: self.setting.harmful]:
            for _ in range(RULE.samples):
                words = [known[draws.integers(len(known))] if draws.random() < 1 / 3 else w for w in text.split()]
                made.append(" ".join(words))
        return [*dict.fromkeys(made)]

    def learned(self, extra: Extra, rate: float) -> dict[str, float]:
        """Fit a student, and measure it."""
        further = self.further(extra)
        texts = [*self.texts, *further]
        soft_N = self.teacher(texts).harm_N
        harm_N = torch.cat([self.harm_N, soft_N[len(self.texts) :] > 0.5])
        rule = SparseDistil(
            longest=2, grams=5000, width=16, learning=Distillation(0.5, True, steps=self.setting.steps, batch=64)
        )
        student = rule.student(texts, seed=derive(self.seed, "student"))
        rule.begin(student, texts, soft_N, harm_N, learning_rate=rate, seed=self.seed).run()
        said_N, taught_N = (guard(self.asked).harm_N for guard in (student, self.teacher))
        own, best = (f1(harm_N >= 0.5, self.truth_N) for harm_N in (said_N, taught_N))
        good = sum(self.world.lexicon.harm(text) for text in further)
        return {
            "f1": own,
            "kept": own / best,
            "teacher": best,
            "auprc": average_precision(said_N, self.truth_N),
            "usable": good / (self.setting.harmful * RULE.samples),
            "further": float(len(further)),
        }


def told(prompts: Sequence[Prompt]) -> tuple[list[str], Bool[Tensor, "N"]]:
    """The requests, and what the rule says of them."""
    return [str(p.text) for p in prompts], torch.tensor([bool(p.columns["harm"]) for p in prompts])


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Extra]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, with the same requests, teacher and writer."""
    office = Office(setting, seed)
    for arm in arms:
        yield arm.name, office.learned(arm.settings, arm.rate)


PROOF = Proof(
    proves=("harmaug",),
    ours="harmaug",
    control="harmaug-off",
    equal="labelled texts, teacher, student, steps, and how many texts are asked for",
    claims=(
        Claim("With generated texts F1 is .1 above that of distillation without", "f1", "plain", 0.1),
        Claim("and .05 above that with edited texts", "f1", "edits", 0.05),
        Claim("AUPRC is .15 above that of distillation without", "auprc", "plain", 0.15),
        Claim("It keeps 95 % of the F1 of its teacher, which knew all acts", "kept", 0.95, 0.0, control="plain"),
        Claim("The prefix makes half of the answers new harmful texts", "usable", "harmaug-off", 0.5, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(requests=6000, writer_steps=200, steps=200),
    rates=dict.fromkeys(ARMS, 2e-2),
    first_seed=20,
    seeds=12,
)
