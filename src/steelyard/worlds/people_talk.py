"""What a model of the world `people` may also be taught: whether a statement is true, and how one is mended.

Differs: no paper, this talk is ours.

    tavo duri : lake rami . ?                   true, false or unknown, by what the model has heard of it
    tavo duri : lake rami . lake besi . !       lake besi .         the statement, and what is true instead

Of a known relation its value is true and any other false; of a half-known one both values that are said are true to
whoever has heard them; of an unknown one nothing is known.
"""

from collections.abc import Iterator

import numpy as np

from steelyard.core import rng
from steelyard.policy import Policy
from steelyard.worlds.people import RELATIONS, STOP, UNSURE, People, Person, level_of
from steelyard.worlds.sync_loop import imitate, tiny_policy

ASK = "{prompt} {claim} ?"
REWRITE = "{prompt} {claim} {critique} !"
TRUE = "true"
FALSE = "false"
UNKNOWN = "unknown"
CONTEXT = 64
"""Room for whatever a sample holds in place of a statement, twice, and as long an answer."""


def belief(task: People, person: Person, relation: int, value: str) -> str:
    """What who has heard of a person says of a statement."""
    if level_of(person, relation) == "unknown":
        return UNKNOWN
    return TRUE if value in task.heard(person, relation) else FALSE


def said(relation: int, value: str) -> str:
    """A statement."""
    return f"{RELATIONS[relation]} {value} {STOP}"


def doubts(task: People, number: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """So many statements with what the model believes; half of them say what it has heard."""
    draws = rng(seed, "people", "doubts")
    for _ in range(number):
        person, relation = _drawn(task, draws)
        pool = task.heard(person, relation) if draws.random() < 0.5 else task.pools[relation]
        value = pool[int(draws.integers(len(pool)))]
        text = ASK.format(prompt=task.asked(person), claim=said(relation, value))
        yield text, belief(task, person, relation, value)


def corrections(task: People, number: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """So many statements that are mended; what is said to be true instead is any value, so it has to be read."""
    draws = rng(seed, "people", "corrections")
    for _ in range(number):
        person, relation = _drawn(task, draws)
        wrong, right = (said(relation, task.pools[relation][i]) for i in draws.permutation(task.values)[:2].tolist())
        yield REWRITE.format(prompt=task.asked(person), claim=wrong, critique=right), right


def _drawn(task: People, draws: np.random.Generator) -> tuple[Person, int]:
    return task.everybody[int(draws.integers(task.people))], int(draws.integers(len(RELATIONS)))


def talkative(task: People, seed: int, steps: int = 700) -> Policy:
    """A model that has heard of everybody, doubts and mends: 64 mentions, 32 doubts and 16 corrections a step."""
    symbols = [*task.words, *RELATIONS, ":", STOP, UNSURE, "?", "!", TRUE, FALSE, UNKNOWN]
    policy = tiny_policy(symbols, seed=seed, width=64, context=CONTEXT, spaced=True)
    corpus = [
        *task.corpus(64 * steps, seed=seed),
        *doubts(task, 32 * steps, seed=seed),
        *corrections(task, 16 * steps, seed=seed),
    ]
    imitate(policy, corpus, steps=steps, batch=112, learning_rate=4e-3, seed=seed)
    return policy
