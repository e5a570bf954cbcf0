"""Weak-to-strong on toy safety: a student that knows what words mean, taught by a guard that has not heard of many.

The weak guard is a small network over three fifths of the words, fitted on requests with true labels. The student is a
wider one over all words whose trunk has learned what kind each word is (wicked, good, cloak, permit, ...), the latent
knowledge, and nothing of harm; it learns harm from what the weak guard says of other requests. Arms, which differ in
the target alone: the confidence loss; naive fine-tuning on the weak labels; the ceiling, taught by true labels; and the
control, whose own guesses are those of its neighbours in the batch. `accuracy` is on held-out requests, `above_weak`
what it has more than the weak guard, `gap_recovered` the share of the gap from the weak guard to the ceiling.

All arms have a rate at which the ceiling learns nearly everything, since who has weak labels alone cannot choose by the
truth. Who could would stop naive fine-tuning early, as the paper says: on seeds 901 to 903 it recovered 16, 40 and
20 % of the gap at 2.5e-4, before it had learned its teacher's errors, and the confidence loss 31, 31 and 23 %; at 1e-3
naive fine-tuning recovers nothing. At 3e-4 and 200 steps the confidence loss itself failed at one of four seeds, whose
student was still wrong when the warm-up ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import Prompt, checked, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard import BagGuard, WeakToStrong
from steelyard.guard.weak_to_strong import gap_recovered
from steelyard.worlds.safety import ToySafety


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ToySafety
    weak_requests: int = 1200
    """With true labels, for the weak guard."""
    taught: int = 2000
    """Requests that the student learns from."""
    known: float = 0.6
    """Share of the words of each kind that the weak guard knows."""
    steps: int = 400
    ceiling_rate: float = 1e-3
    """Learning rate of the ceiling that `gap_recovered` is a share of."""


@checked()
@dataclass(frozen=True)
class Neighbours(WeakToStrong):
    """The control: as many guesses are hardened, but they are those of other texts."""

    @torch.no_grad()
    def hardened(self, log_odds_N: Float[Tensor, "N"], weak_N: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
        """The guesses of the neighbours in the batch."""
        return super().hardened(log_odds_N, weak_N).roll(1)


@dataclass(frozen=True)
class Teaching:
    """What an arm learns from, and how."""

    method: WeakToStrong
    labels: Literal["weak", "true"] = "weak"


NAIVE = WeakToStrong(confidence=0.0, batch=64)
ARMS = {
    "weak-to-strong": Teaching(WeakToStrong(batch=64)),
    "weak-to-strong-off": Teaching(Neighbours(batch=64)),
    "naive": Teaching(NAIVE),
    "ceiling": Teaching(NAIVE, "true"),
}


def labelled(prompts: Sequence[Prompt]) -> tuple[list[str], Bool[Tensor, "N"]]:
    """The requests, and what the rule says of them."""
    return [str(p.text) for p in prompts], torch.tensor([bool(p.columns["harm"]) for p in prompts])


class School:
    """The weak guard, the student before it is taught, and the requests of a seed."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        self.kinds = setting.world.lexicon.words
        train = setting.world.prompts("train")
        self.for_weak = labelled(train[: setting.weak_requests])
        self.texts, self.truth_N = labelled(train[setting.weak_requests :][: setting.taught])
        self.asked, self.asked_truth_N = labelled(setting.world.prompts("held-out"))

    @cached_property
    def weak(self) -> BagGuard:
        """A guard that knows some words of each kind."""
        known = [word for words in self.kinds.values() for word in words[: round(self.setting.known * len(words))]]
        weak = BagGuard(known, width=16, seed=derive(self.seed, "weak"))
        return weak.fit(*self.for_weak, self.for_weak[0], steps=300, seed=self.seed)

    @cached_property
    def pretrained(self) -> Mapping[str, Tensor]:
        """The weights of a student that knows the kind of each word."""
        student = self.student()
        bags = student.bags(self.texts)
        kinds = torch.tensor(
            [[any(w in words for w in t.split()) for words in self.kinds.values()] for t in self.texts]
        )
        told = nn.Linear(student.width, len(self.kinds))
        nn.init.zeros_(told.weight)
        nn.init.zeros_(told.bias)
        adam = torch.optim.AdamW([*student.body.parameters(), *told.parameters()], lr=3e-3)
        draws = rng(self.seed, "kinds")
        for _ in range(400):
            of = torch.from_numpy(draws.integers(len(bags), size=128))
            adam.zero_grad()
            binary_cross_entropy_with_logits(told(student.body(bags[of])), kinds[of].float()).backward()
            adam.step()
        return student.state_dict()

    def student(self) -> BagGuard:
        """A student that knows nothing."""
        every = [word for words in self.kinds.values() for word in words]
        return BagGuard(every, width=64, seed=derive(self.seed, "student"))

    @cached_property
    def ceiling(self) -> float:
        """Accuracy of a student that was taught the truth."""
        return self.accuracy(self.taught(ARMS["ceiling"], self.setting.ceiling_rate))

    def taught(self, teaching: Teaching, rate: float) -> BagGuard:
        """A student that was taught."""
        student = self.student()
        student.load_state_dict(dict(self.pretrained))
        bags = student.bags(self.texts)
        target_N = self.weak(self.texts).harm_N if teaching.labels == "weak" else self.truth_N.float()
        method = replace(teaching.method, learning_rate=rate, steps=self.setting.steps)
        method.begin(
            student, lambda of: student.head(student.body(bags[of])).squeeze(-1), target_N, seed=self.seed
        ).run()
        return student

    def accuracy(self, guard: BagGuard) -> float:
        """On held-out requests."""
        return float(((guard(self.asked).harm_N >= 0.5) == self.asked_truth_N).float().mean())


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Teaching]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The weak guard and the student that knows words, then the arms."""
    school = School(replace(setting, world=replace(setting.world, data_seed=seed)), seed)
    weak = school.accuracy(school.weak)
    for arm in arms:
        student = school.taught(arm.settings, arm.rate)
        right = school.accuracy(student)
        row = {"accuracy": right, "above_weak": right - weak, "parameters": float(student.num_parameters)}
        yield arm.name, row | {"gap_recovered": gap_recovered(weak, right, school.ceiling) or 0.0}


PROOF = Proof(
    proves=("weak-to-strong",),
    ours="weak-to-strong",
    control="weak-to-strong-off",
    equal="weak guard and its labels, student and what it knows, batches, steps, learning rate",
    claims=(
        Claim("The student recovers 5 % more of the gap than by naive fine-tuning", "gap_recovered", "naive", 0.05),
        Claim(
            "It is right on a point more of the requests than the weak guard that taught it", "above_weak", 0.0, 0.01
        ),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ToySafety(requests=12000)),
    quick=Setting(ToySafety(requests=12000), steps=200),
    rates=dict.fromkeys(ARMS, 1e-3),
    seeds=10,
    first_seed=10,
)
