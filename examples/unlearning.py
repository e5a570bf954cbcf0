"""Unlearning: a model is taught a directory of numbers, and then has to forget some of them and keep the others.

The shipped model learns 32 numbers by heart, and negative preference optimization (NPO) takes eight of them away
again. An audit before and after asks for every number. Printed are, for what was to be forgotten and what was to be
kept, the probability of the right number and the share of right answers.
"""

import numpy as np

from steelyard.core import Prompt, Trajectory, rng
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.unlearn import NPO, Question, audit, unlearn

PEOPLE = 32
FORGOTTEN = 8


def directory(policy: Policy) -> list[Question]:
    """The number of each person, as the right answer, and three other people's as wrong ones."""
    numbers = [str(n) for n in rng(0, "directory").choice(np.arange(1000, 10000), PEOPLE, replace=False)]
    asked = [Prompt(f"person {i}", f"{i + 10}=") for i in range(PEOPLE)]
    return [
        Question(
            demonstration(policy, prompt, numbers[i]),
            tuple(demonstration(policy, prompt, numbers[(i + k) % PEOPLE]) for k in (1, 2, 3)),
        )
        for i, prompt in enumerate(asked)
    ]


def teach(policy: Policy, rows: list[Trajectory]) -> None:
    """Supervised fine-tuning until the numbers are known by heart."""
    learner = Learner(policy, SFT(), Adam(), learning_rate=3e-3)
    for _ in range(80):
        learner.step([[row] for row in rows])


def marked(question: Question, retain: bool) -> list[Trajectory]:
    """A group of one answer, marked as to be kept or to be forgotten."""
    return [question.right.replace(labels={"retain": retain})]


def show(policy: Policy, when: str, parts: dict[str, list[Question]]) -> None:
    """The audit of each part."""
    for name, questions in parts.items():
        found = audit(policy, questions, max_tokens=5)
        print(f"{when:<6}  {name:<6}  probability {found.probability:.3f}  right {found.accuracy:.3f}")


def main() -> None:
    """Teach, audit, unlearn, audit again."""
    policy = Policy.load("steelyard/arithmetic")  # or a directory, or the id of a model
    questions = directory(policy)
    teach(policy, [question.right for question in questions])
    parts = {"forget": questions[:FORGOTTEN], "retain": questions[FORGOTTEN:]}
    show(policy, "before", parts)
    steps = unlearn(
        policy,
        NPO(beta=0.1, retain=1.0),
        [marked(question, False) for question in parts["forget"]],
        [marked(question, True) for question in parts["retain"]],
        epochs=30,
        batch=FORGOTTEN,
        learning_rate=3e-4,
        seed=0,
    )
    for _ in steps:
        pass
    show(policy, "after", parts)


if __name__ == "__main__":
    main()
