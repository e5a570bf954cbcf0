"""Hidden states tell an edit of the head from forgetting, where no question does: `truly-forgetting` on topics.

`head-only` is NPO that may change the head alone; `retrained` never heard of the topic that is to be forgotten. The
others are methods of the room. In `shuffled`, the control, the audit reads the same states, but answers are dealt out
at random among the rows: there is nothing for it to find. `answered` is the share of prompts answered, in all wordings;
`knn` and `probe` what the states say of the answers, `kept_knn` the same of the rows to be kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from steelyard.core import rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.policy import Policy
from steelyard.unlearn import TrulyForgetting
from steelyard.unlearn.material import Material
from steelyard.worlds.topic_unlearning import TEACHING, WAYS, Way, figure, material, twins, unlearned
from steelyard.worlds.topics import LONGEST, Topics


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    teaching: int = TEACHING
    """Steps of the model that knows, and of its twin."""


@dataclass(frozen=True)
class Seen:
    """A model that is audited."""

    way: Way | None
    """How it forgot; None is the model that never knew."""
    shuffled: bool = False
    """The audit is shown answers of other rows."""


ARMS = {
    "retrained": Seen(None),
    **{name: Seen(WAYS[name]) for name in ("original", "gradient-ascent", "npo", "head-only")},
    "shuffled": Seen(WAYS["head-only"], shuffled=True),
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Seen]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows and its twin, then each arm's model under the audit."""
    world = Topics(data_seed=seed)
    models = twins(world, seed=seed, steps=setting.teaching)
    asked = material(world, models)
    for arm in arms:
        way = arm.settings.way
        policy = models.retrained if way is None else unlearned(world, models.original, way, seed=seed)
        yield arm.name, audited(policy, dealt(asked, seed) if arm.settings.shuffled else asked)


def dealt(asked: Material, seed: int) -> Material:
    """The material with the forgotten answers dealt out anew."""
    order = rng(seed, "dealt").permutation(len(asked.forget))
    answers = [asked.forget[i].answer for i in order]
    rows = [replace(row, answer=answer, wrong=()) for row, answer in zip(asked.forget, answers, strict=True)]
    return replace(asked, forget=rows)


def audited(policy: Policy, asked: Material) -> dict[str, float]:
    """The audit's numbers. All wordings of a fact count as one sample: they fall together."""
    table = TrulyForgetting(LONGEST).measure(policy, asked)
    rows = {"": ("forget", len(asked.forget)), "kept_": ("retain", len(asked.retain))}
    found = {"parameters": float(policy.num_parameters(trainable=False))}
    for start, (row, number) in rows.items():
        for name, metric in (("accuracy", "answered"), ("knn", "knn"), ("probe", "probe")):
            found |= {f"{start}{metric}": figure(table, row, name), f"{start}{metric}/n": float(number)}
        found |= {f"{start}{name}": figure(table, row, name) for name in ("cka_original", "cka_retrained")}
    return found


PROOF = Proof(
    proves=("truly-forgetting",),
    ours="head-only",
    control="shuffled",
    equal="facts, passes over them; each way at a rate that forgets in full",
    claims=(
        Claim("An edit of the head answers 80 points fewer forgotten prompts than before, as good as forgetting",
              "answered", "original", 0.8, lower_is_better=True, control=None),
        Claim("the nearest states read 50 points more answers off it than off a model that never knew", "knn",
              "retrained", 0.5),
        Claim("and a linear probe 50 points more", "probe", "retrained", 0.5),
        Claim("its states are more like those before than the retrained model's are, by .3 of CKA", "cka_original",
              "retrained", 0.3, control=None),
        Claim("gradient ascent spoils what it should keep: the nearest states read 5 points fewer of it", "kept_knn",
              "gradient-ascent", 0.05, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(teaching=300),
    first_seed=10,
    seeds=7,
)  # fmt: skip
