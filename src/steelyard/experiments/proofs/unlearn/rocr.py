"""ROCR on facts in four forms: six people are forgotten, of whom training is shown the question form alone.

A fresh model learns facts about 40 people as a question, a gap, a request and letter by letter. Arms: rocr, which is
told the six names and redirects them to one neighbour; npo (NPO+RT) and ga (GradDiff), which learn from the forgotten
facts in the question form; and rocr-off, which redirects their first names, which others have, too. All are shown the
facts of the other neighbours in all forms: rocr to leave their keys alone, the others to retain them. `asked` is the
share of forgotten facts still answered in the question form, `other` in the other three, `kept` of the neighbours'
facts in all forms, `known` of people of whom no request speaks; each of those that the model answered before, and of
forgotten facts those of which something else is true of the neighbour. `gap` is other - asked, `apart` kept - other.
Learning rates and penalty have the largest `apart` of those that were tried on seed 900 (docs/lab-notes.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.core import Prompt, Trajectory
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import demonstration
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.rollout.greedy import greedy
from steelyard.unlearn import NPO, ROCR, GradientAscent, unlearn
from steelyard.worlds.four_forms import FORMS, LONGEST, Fact, Form, FourForms, taught

SHOWN: Form = "question"
"""The form that training is shown."""
EPOCHS = 20
BATCH = 6


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: FourForms
    teaching: int = 400
    """Steps of the model that knows."""
    hears: bool = False
    """Whether tokens hear each other in the model's first layer."""


@dataclass(frozen=True)
class Forgets:
    """How an arm forgets."""

    method: ROCR | Objective
    penalty: float = 1e-3
    """Of the size of an edit."""
    others: bool = False
    """It redirects their first names, by which nobody is told apart."""


EDIT = ROCR(layers=(0,), threshold=1e-5, templates=("{}",))
"""The first of three layers is edited."""
ARMS = {
    "rocr": Forgets(EDIT),
    "rocr-off": Forgets(EDIT, others=True),
    "npo": Forgets(NPO(beta=1.0)),
    "ga": Forgets(GradientAscent()),
}


class Request:
    """What is to be forgotten, by a model that knows it."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.world = replace(setting.world, data_seed=seed)
        self.knowing = taught(self.world, seed=seed, steps=setting.teaching, hears=setting.hears)
        self.other = self.world.facts("retain")[0].person
        true = {fact.relation: fact.value for fact in self.world.facts("retain") if fact.person == self.other}
        gone = [fact for fact in self.world.facts("forget") if fact.value != true[fact.relation]]
        asked: Mapping[str, list[tuple[Fact, Form]]] = {
            "asked": [(fact, SHOWN) for fact in gone],
            "other": [(fact, form) for form in FORMS if form != SHOWN for fact in gone],
            "kept": [(fact, form) for form in FORMS for fact in self.world.facts("retain")],
            "known": [(fact, form) for form in FORMS for fact in self.world.facts("known")],
        }
        rows = {name: [row(self.knowing, fact, form) for fact, form in of] for name, of in asked.items()}
        self.answered = {
            name: [t for t, right in zip(of, answers(self.knowing, of), strict=True) if right]
            for name, of in rows.items()
        }

    def names(self, *, others: bool) -> list[str]:
        """Whom to redirect."""
        people = (fact.person for fact in self.world.facts("forget"))
        return [*dict.fromkeys(person.split()[0] if others else person for person in people)]

    def forgotten(self, how: Forgets, rate: float, seed: int) -> Policy:
        """What an arm makes of the model."""
        policy = copied(self.knowing)
        forget = [row(policy, fact, SHOWN) for fact in self.world.facts("forget")]
        retain = [row(policy, fact, form) for fact in self.world.facts("retain") for form in FORMS]
        if not isinstance(how.method, ROCR):
            groups = ([[t] for t in rows] for rows in (forget, retain))
            sizes = {"epochs": EPOCHS, "batch": BATCH, "learning_rate": rate}
            for _ in unlearn(policy, how.method, *groups, **sizes, seed=seed):
                pass
            return policy
        edits = replace(how.method, penalty=how.penalty).begin(policy, retain)
        for name in self.names(others=how.others):
            edits.redirect(name, self.other)
        return policy


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Forgets]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows, and what each arm makes of it."""
    request = Request(setting, seed)
    knew = {f"knew_{name}": float(len(rows)) for name, rows in request.answered.items()}
    for arm in arms:
        policy = request.forgotten(arm.settings, arm.rate, seed)
        told = {
            key: x
            for name, rows in request.answered.items()
            for key, x in share(name, sum(answers(policy, rows)), len(rows)).items()
        }
        gaps = {"gap": told["other"] - told["asked"], "apart": told["kept"] - told["other"]}
        yield arm.name, told | knew | gaps | {"parameters": float(policy.num_parameters())}


def row(policy: Policy, fact: Fact, form: Form) -> Trajectory:
    """A fact in a form with its answer."""
    asked, answer = fact.asked(form)
    return demonstration(policy, Prompt(asked, asked), answer, labels={"retain": fact.part != "forget"})


def answers(policy: Policy, rows: Sequence[Trajectory]) -> list[bool]:
    """Which rows a policy answers right."""
    said = greedy(policy, rows, LONGEST)
    return [np.array_equal(a, t.completion_T) for a, t in zip(said, rows, strict=True)]


PROOF = Proof(
    proves=("rocr",),
    ours="rocr",
    control="rocr-off",
    equal="the model, the people to forget, and 288 rows to keep; rates and penalty by trials on seed 900",
    claims=(
        Claim("In forms that training was not shown, 30 % at most of what the model knew is left", "other", 1.0, 0.7,
              lower_is_better=True),
        Claim("Of the neighbours' facts 95 % are kept", "kept", 0.0, 0.95, control="ga"),
        Claim("NPO leaves 5 points more in other forms than in its own; ROCR leaves all alike", "gap", "npo", 0.05,
              lower_is_better=True, control=None),
        Claim("What is kept and what is left in other forms is 15 points further apart than by NPO", "apart", "npo",
              0.15),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(FourForms()),
    quick=Setting(FourForms(people=24, known=4), teaching=300),
    rates={"npo": 1e-3, "ga": 2e-4},
    first_seed=20,
    seeds=6,
)  # fmt: skip
