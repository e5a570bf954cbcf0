"""Shared by the experiments on audits of unlearning: a model that knows topics, its twin, and ways to forget a topic.

`Topics` is the world. A way is what a method of the unlearning room makes of the model that knows: the facts of the
first topic are forgotten in their first wording alone, beside those that are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from steelyard.core import Group, Prompt, Trajectory
from steelyard.core.table import Table
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.task.answered import Answered
from steelyard.unlearn import NPO, GradientAscent, RefusalDPO, unlearn
from steelyard.unlearn.audit import answers_logp, truth_ratio
from steelyard.unlearn.material import Material, reworded_of
from steelyard.unlearn.two_sided_audit import question
from steelyard.worlds.sync_loop import demonstration
from steelyard.worlds.topics import FORGOTTEN, FORMS, REFUSAL, Fact, Topics, taught

TEACHING = 400
"""Steps of the models that a proof begins with."""
EPOCHS = 10
BATCH = 16


@dataclass(frozen=True)
class Way:
    """How an arm forgets."""

    objective: Objective | None
    """None makes no step."""
    wanted: Literal["answer", "refusal", "pair"] = "answer"
    """What the objective is shown for a question that is to be forgotten."""
    retains: bool = True
    """Whether it is shown what is to be kept, too."""
    head_alone: bool = False
    """Whether the head is all that it may change."""
    rate: float = 1e-3
    """Its learning rate."""


WAYS: Mapping[str, Way] = {
    "original": Way(None),
    "gradient-ascent": Way(GradientAscent(retain=0.0), retains=False, rate=5e-4),
    "grad-diff": Way(GradientAscent()),
    "npo": Way(NPO(beta=1.0)),
    "refusal-dpo": Way(RefusalDPO(beta=0.1), "pair"),
    "idk": Way(SFT(), "refusal"),
    "head-only": Way(NPO(beta=1.0), head_alone=True, rate=5e-3),
}
"""The methods of the room, and an edit of the head that is meant to look like them; rates by trials on seed 900."""


class Twins(NamedTuple):
    """Two models of one seed."""

    original: Policy
    """It was taught all facts."""
    retrained: Policy
    """It never heard of those to be forgotten."""


def twins(world: Topics, *, seed: int, steps: int = TEACHING) -> Twins:
    """The models, taught for so many steps."""
    return Twins(*(taught(world, facts, seed=seed, steps=steps) for facts in (world.facts(), world.retained())))


def answered(fact: Fact) -> Answered:
    """A fact as a row of a file."""
    name = f"{fact.subject} {fact.relation}"
    first, *others = (Prompt(f"{name} {form}", fact.question(form)) for form in range(len(FORMS)))
    return Answered(first, fact.answer, tuple(f" {word}" for word in fact.wrong), tuple(others))


def material(world: Topics, models: Twins) -> Material:
    """What audits ask about."""
    original, retrained = models
    forget, retain, unheard = (
        [answered(fact) for fact in facts] for facts in (world.forgotten(), world.retained(), world.unheard())
    )
    notes = {answered(fact).prompt.id: fact.note() for fact in world.facts()}
    never_N = truth_ratio(answers_logp(retrained, [question(retrained, row) for row in forget]))
    return Material(forget, reworded_of(forget), unheard, never_N, retain, notes, original, retrained)


def unlearned(world: Topics, knowing: Policy, way: Way, *, seed: int) -> Policy:
    """What a way makes of the model that knows."""
    policy = copied(knowing)
    if way.objective is None:
        return policy
    if way.head_alone:
        policy = with_trained_head(policy)
    forget = [_shown(policy, fact, way.wanted) for fact in world.forgotten()]
    retain = [[_row(policy, fact, fact.answer)] for fact in world.retained()] if way.retains else []
    steps = unlearn(
        policy, way.objective, forget, retain, epochs=EPOCHS, batch=BATCH, learning_rate=way.rate, seed=seed
    )
    for _ in steps:
        pass
    return policy


def with_trained_head(policy: Policy) -> Policy:
    """The policy with its head alone to be trained."""
    for parameter in policy.model.parameters():
        parameter.requires_grad_(False)
    policy.head.weight.requires_grad_(True)
    return Policy(policy.model, policy.tokenizer)


def _row(policy: Policy, fact: Fact, text: str, reward: float = 1.0) -> Trajectory:
    marks = {"retain": fact.topic != FORGOTTEN}
    return demonstration(policy, answered(fact).prompt, text, reward=reward, labels=marks)


def _shown(policy: Policy, fact: Fact, wanted: str) -> Group:
    texts: Sequence[tuple[str, float]] = {
        "answer": [(fact.answer, 0.0)],
        "refusal": [(REFUSAL, 1.0)],
        "pair": [(fact.answer, 0.0), (REFUSAL, 1.0)],
    }[wanted]
    return [_row(policy, fact, text, reward) for text, reward in texts]


def figure(table: Table, row: str, measure: str) -> float:
    """A number of an audit's table that is there in these experiments."""
    found = table.number(row, measure)
    assert found is not None
    return float(found)
