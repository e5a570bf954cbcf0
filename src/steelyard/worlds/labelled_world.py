"""Worlds of labelled examples, texts or images: measured by how well simple learners do with more or less.

Arms of a seed, each a classifier fitted anew and measured on held-out examples:

    base       the commonest class, always
    linear     softmax regression on all training examples; of words in order, on their counts
    network    the world's own learner: by default two hidden layers of 64
    few        the network on 8 examples of each class
    noisy      the network with one label in five drawn anew from all classes
    start      the network, where all but the first quarter of an input is hidden (worlds of text alone)

Measured: `score` is the mean over classes of the share that is right, so that a rare class counts as much as a common
one; `score@NAME` is that on a further split that the world has, such as `shifted` or `late`; `worst` is the score of
the group where it is lowest.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steelyard.core import derive, rng
from steelyard.worlds.contract import (
    ArmMetrics,
    Property,
    absent,
    counts,
    differences,
    percent,
    points,
    values,
)

FEW = 8
NOISE = 0.2
RARE = 0.1
"""Share of the examples below which a class is rare."""


@dataclass(frozen=True)
class Examples:
    """N examples with F numbers each: pixels, counts of words, or tokens."""

    input_NF: Float[Tensor, "N F"] | Int64[Tensor, "N F"]
    label_N: Int64[Tensor, "N"]
    group_N: Int64[Tensor, "N"]
    """What an example belongs to besides its class; 0 everywhere where there are no groups."""

    def take(self, chosen_M: Int64[Tensor, "M"]) -> "Examples":
        """Some of them."""
        return Examples(self.input_NF[chosen_M], self.label_N[chosen_M], self.group_N[chosen_M])


Classifier = Callable[[Tensor], Float[Tensor, "N C"]]
"""Inputs to logits of C classes."""
Fit = Callable[[Examples, int, int], Classifier]
"""`fit(examples, C, seed)`."""


@dataclass(frozen=True)
class LabelledWorld:
    """Examples with classes."""

    draw: Callable[[int], Mapping[str, Examples]]
    """The splits of a seed: `train`, `held-out`, and further ones that it is measured on."""
    fit: Fit = field(default_factory=lambda: fit_network)
    """The world's own learner."""
    reads_in_order: bool = False
    """Whether inputs are tokens in order, so that a beginning of them makes sense."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Property -> why it makes no sense here."""

    kind: ClassVar[str] = "labelled"
    columns: ClassVar[tuple[str, ...]] = ("base", "linear", "network", "few labels")

    def measure(self, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
        """The arms of one seed; `cpu_s` is what each took."""
        splits = self.draw(seed)
        train = splits["train"]
        classes = int(train.label_N.max()) + 1
        few = train.take(first_of_each(train.label_N, FEW))
        arms: dict[str, tuple[Fit, Examples]] = {
            "base": (fit_commonest, train),
            "linear": (fit_bags if self.reads_in_order else fit_linear, train),
            "network": (self.fit, train),
            "few": (self.fit, few),
            "noisy": (self.fit, relabelled(train, classes, seed)),
        }
        if self.reads_in_order:
            arms["start"] = (lambda *given: started(self.fit(*given)), beginning(train))
        for arm, (fit, examples) in arms.items():
            began = time.process_time()
            classifier = fit(examples, classes, seed)
            row = {"share": float(train.label_N.bincount(minlength=classes).min()) / len(train.label_N)}
            for name, split in splits.items():
                if name != "train":
                    row |= scored(classifier, split, "" if name == "held-out" else f"@{name}")
            yield arm, {**row, "cpu_s": time.process_time() - began}

    def properties(self, seeds: Sequence[ArmMetrics]) -> list[Property]:
        """What the arms say together."""
        found = [*_properties(seeds)]
        return [absent(p.name, self.absent[p.name]) if p.name in self.absent else p for p in found]


def first_of_each(label_N: Int64[Tensor, "N"], number: int) -> Int64[Tensor, "M"]:
    """The places of the first so many examples of each class."""
    return torch.cat([(label_N == c).nonzero()[:number, 0] for c in range(int(label_N.max()) + 1)])


def relabelled(examples: Examples, classes: int, seed: int) -> Examples:
    """The examples, a share of their labels drawn anew."""
    draws = rng(seed, "relabelled")
    drawn_N = torch.from_numpy(draws.integers(classes, size=len(examples.label_N)))
    noisy_N = torch.from_numpy(draws.random(len(examples.label_N)) < NOISE)
    return replace(examples, label_N=torch.where(noisy_N, drawn_N, examples.label_N))


def beginning(examples: Examples) -> Examples:
    """The examples with nothing after the first quarter of each."""
    return replace(examples, input_NF=_hidden_end(examples.input_NF))


def started(classifier: Classifier) -> Classifier:
    """The classifier of beginnings."""
    return lambda input_NF: classifier(_hidden_end(input_NF))


def _hidden_end(input_NF: Tensor) -> Tensor:
    shown = input_NF.clone()
    shown[:, input_NF.shape[1] // 4 :] = 0
    return shown


def scored(classifier: Classifier, examples: Examples, suffix: str) -> dict[str, float]:
    """The score on examples, and that of the worst group where there are groups."""
    with torch.no_grad():
        right_N = classifier(examples.input_NF).argmax(-1) == examples.label_N
    row = {f"score{suffix}": balanced(right_N, examples.label_N)}
    groups = examples.group_N.unique().tolist()
    if len(groups) > 1 and not suffix:
        own = [examples.group_N == g for g in groups]
        row["worst"] = min(balanced(right_N[of], examples.label_N[of]) for of in own)
    return row


def balanced(right_N: Tensor, label_N: Tensor) -> float:
    """The mean over the classes that occur of the share that is right."""
    return float(torch.stack([right_N[label_N == c].double().mean() for c in label_N.unique()]).mean())


def fit_commonest(examples: Examples, classes: int, seed: int) -> Classifier:
    """The commonest class, always."""
    count_C = examples.label_N.bincount(minlength=classes).float()
    return lambda input_NF: count_C.expand(len(input_NF), -1)


def fit_linear(examples: Examples, classes: int, seed: int) -> Classifier:
    """Softmax regression."""
    return _trained(lambda width: nn.Linear(width, classes), examples, seed, steps=300, rate=3e-2)


def fit_bags(examples: Examples, classes: int, seed: int) -> Classifier:
    """Softmax regression on how often each token occurs."""
    vocabulary = int(examples.input_NF.max()) + 1
    linear = fit_linear(replace(examples, input_NF=_bags(examples.input_NF, vocabulary)), classes, seed)
    return lambda input_NF: linear(_bags(input_NF, vocabulary))


def _bags(token_NT: Tensor, vocabulary: int) -> Tensor:
    return torch.zeros(len(token_NT), vocabulary).scatter_add_(1, token_NT, torch.ones_like(token_NT).float())


def fit_network(examples: Examples, classes: int, seed: int) -> Classifier:
    """Two hidden layers of 64."""

    def body(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes))

    return _trained(body, examples, seed, steps=500, rate=3e-3)


def _trained(
    build: Callable[[int], nn.Module], examples: Examples, seed: int, *, steps: int, rate: float
) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        model = build(examples.input_NF.shape[1])
    adam = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    draws = rng(seed, "batches")
    for _ in range(steps):
        of = torch.from_numpy(draws.integers(len(examples.label_N), size=128))
        loss = cross_entropy(model(examples.input_NF[of].float()), examples.label_N[of])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return lambda input_NF: model(input_NF.float())


def _properties(seeds: Sequence[ArmMetrics]) -> Iterator[Property]:
    for name, arm, why in (
        ("base", "base", "the commonest class, always"),
        ("linear", "linear", "softmax regression"),
        ("network", "network", "the world's own learner"),
    ):
        yield Property(name, percent(values(seeds, arm, "score")), None, why)
    less = differences(seeds, "few", "network", "score")
    yield Property("few labels", points(less), counts(less), f"{FEW} examples of each class against all")
    more = differences(seeds, "network", "linear", "score")
    yield Property("depth", points(more), counts(more), "the network against softmax regression")
    noise = differences(seeds, "noisy", "network", "score")
    yield Property("label noise", points(noise), counts(noise), "one label in five drawn anew")
    share = values(seeds, "base", "share")
    yield Property("rare classes", percent(share), max(share) < RARE, "share of the rarest class; below 10 % is rare")
    yield _further(seeds)
    yield _groups(seeds)
    yield _long(seeds)


def _further(seeds: Sequence[ArmMetrics]) -> Property:
    names = sorted(m for m in seeds[0]["network"] if m.startswith("score@"))
    if not names:
        return absent("shift", "there is one distribution")
    falls = {name: [arms["network"][name] - arms["network"]["score"] for arms in seeds] for name in names}
    value = ", ".join(f"{name.removeprefix('score@')} {points(fall)}" for name, fall in falls.items())
    return Property("shift", value, any(map(counts, falls.values())), "the network on further splits against held-out")


def _groups(seeds: Sequence[ArmMetrics]) -> Property:
    if "worst" not in seeds[0]["network"]:
        return absent("groups", "there is one")
    gap = [arms["network"]["worst"] - arms["network"]["score"] for arms in seeds]
    return Property("groups", points(gap), counts(gap), "the network in its worst group against all")


def _long(seeds: Sequence[ArmMetrics]) -> Property:
    if "start" not in seeds[0]:
        return absent("long inputs", "an input has no beginning")
    less = differences(seeds, "start", "network", "score")
    return Property("long inputs", points(less), counts(less), "the first quarter of an input against all of it")
