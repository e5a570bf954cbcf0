"""Shared by the experiments on invented facts: small models trained on them, and questions that test what they know.

`Facts` is the world; `taught` teaches a model. For proofs of unlearning.
"""

from collections.abc import Sequence

from steelyard.core import Prompt, Request, Sampling, Trajectory
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.unlearn import Audit, Question, audit, utility
from steelyard.worlds.facts import LONGEST, Fact, Facts, Part
from steelyard.worlds.sync_loop import copied, demonstration

WRONG = 5
"""Wrong answers to each question."""


def answer(policy: Policy, fact: Fact, text: str | None = None, *, form: int = 0, reward: float = 1.0) -> Trajectory:
    """The fact's value, or another text, as the answer to its question; `retain` unless it is to be forgotten."""
    prompt = Prompt(fact.question(form), fact.question(form))
    marks = {"retain": fact.part != "forget"}
    return demonstration(policy, prompt, fact.value if text is None else text, reward=reward, labels=marks)


def sampled_answers(policy: Policy, facts: Sequence[Fact], *, seed: int, samples: int = 2) -> list[list[Trajectory]]:
    """What the model itself answers, each sample a group of its own: how its distribution is retained."""
    asked = [(fact.question(), sample, fact) for fact in facts for sample in range(samples)]
    marks = {text: {"retain": fact.part != "forget"} for text, _, fact in asked}
    requests = [Request(text, tuple(policy.encode(text)), sample) for text, sample, _ in asked]
    drawn = engine_for(copied(policy), seed).generate(requests, Sampling(max_tokens=LONGEST))
    ordered = sorted(drawn, key=lambda t: (t.prompt_id, t.sample))
    return [[t.replace(reward=1.0, labels=marks[t.prompt_id])] for t in ordered]


def ask(policy: Policy, world: Facts, part: Part, *, form: int = 0) -> Audit:
    """What the model knows of a part."""
    questions = [
        Question(answer(policy, fact, form=form), tuple(answer(policy, fact, w, form=form) for w in fact.wrong[:WRONG]))
        for fact in world.facts(part)
    ]
    return audit(policy, questions, max_tokens=LONGEST)


def usefulness(policy: Policy, world: Facts) -> float:
    """The harmonic mean of six: probability, truth and accuracy of what is retained and of general knowledge.

    As in TOFU the probability of general knowledge is that of choosing the right answer among wrong ones.
    """
    near = ask(policy, world, "retain")
    far = ask(policy, world, "known")
    return utility([near.probability, near.truth, near.accuracy, far.choice, far.truth, far.accuracy])
