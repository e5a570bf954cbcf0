"""DRESS on careless notes: is a model better for reading what a critic said of them?

The base model (`worlds/notes.py`) writes notes that keep each of three rules three times in ten, so one note in 37 has
the top score. A critic scores notes of the training topics from 1 to 4, says which rules they keep, and what to change;
a good writer changes it. Every arm is tuned from the base model on the same rows, for as many steps, and asked about
topics that nobody was tuned on. dress: the response under score and critique, and the refined one after what was to be
changed. sft: all responses alike without feedback, the refined ones after an empty turn. The control dress-off has the
feedback of other rows. Beside them, without a claim, top is tuned on the few top-scored responses alone: here these
suffice. Nor is it claimed that refinements teach a model to use feedback: a refined note is good anyway.

`score` is the mean score (1 to 4) of samples under the best condition, where an arm has conditions; `first` that of
samples without one, and `second` that of what the model then writes when the critic says what to change in its own
note; `gain` is second less first, and `third` comes after another turn. Samples are drawn at temperature 1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steelyard.core import Group, Prompt, Request, Sampling, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.dress import DRESS, Told
from steelyard.rollout import engine_for
from steelyard.task.critiqued import Critiqued
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.notes import LENGTH, Kept, Notes, base
from steelyard.worlds.sync_loop import moved

BATCH = 32
ASKS = DRESS(score="score {score} ", critique="{critique} ", feedback=" {feedback} ")
BEST = Told(4.0, Kept(True, True, True).critique)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    topics: int = 80
    """A quarter of them held out."""
    base_steps: int = 300
    """Steps in which the base model reads careless notes, 64 each."""
    rows: int = 1000
    """Notes with feedback; about 27 of them have the top score."""
    steps: int = 100
    """Steps of tuning, on 32 lessons each."""
    samples: int = 16
    """For each held-out topic."""


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def task(self) -> Notes:
        """The topics."""
        return Notes(topics=self.setting.topics, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has read careless notes."""
        return base(self.task, self.seed, self.setting.base_steps)

    @cached_property
    def rows(self) -> list[Critiqued]:
        """Notes of the training topics, with feedback."""
        draws = rng(self.seed, "dress", "rows")
        topics = [prompt.columns["topic"] for prompt in self.task.prompts("train")]
        return [self.task.row(topics[i], draws) for i in draws.integers(len(topics), size=self.setting.rows)]

    @cached_property
    def dealt(self) -> list[Critiqued]:
        """The same notes, each with the feedback of another row."""
        order = rng(self.seed, "dress", "dealt").permutation(len(self.rows))
        others = [self.rows[i] for i in order]
        found = []
        for row, other in zip(self.rows, others, strict=True):
            turns = ((other.turns[0][0], row.turns[0][1]),)
            found.append(replace(row, score=other.score, critique=other.critique, turns=turns))
        return found

    def lessons(self, asks: DRESS, rows: Sequence[Critiqued]) -> list[Group]:
        """What is learned of rows under conditions."""
        return [[lesson] for row in rows for lesson in asks.lessons(self.base, row)]

    def plain(self, rows: Sequence[Critiqued]) -> list[Group]:
        """All responses alike: no condition, and nothing said between two of them."""
        first = [[ASKS.response(self.base, row, Told())] for row in rows]
        turns = ([("", said) for _, said in row.turns] for row in rows)
        second = [
            [ASKS.refined(self.base, row.prompt, row.response, told)] for row, told in zip(rows, turns, strict=True)
        ]
        return [*first, *second]

    def top(self) -> list[Group]:
        """The top-scored responses alone."""
        return [[ASKS.response(self.base, row, Told())] for row in self.rows if row.score == BEST.score]


@dataclass(frozen=True)
class Way:
    """How an arm is taught, and asked."""

    teach: Callable[[Study], list[Group]]
    asked: Told = BEST


ARMS: Mapping[str, Way] = {
    "dress": Way(lambda study: study.lessons(ASKS, study.rows)),
    "dress-off": Way(lambda study: study.lessons(ASKS, study.dealt)),
    "sft": Way(lambda study: study.plain(study.rows), Told()),
    "top": Way(Study.top, Told()),
}


@dataclass(frozen=True)
class Writer:
    """Samples of a policy for held-out topics, and what the critic says of them."""

    policy: Policy
    task: Notes
    seed: int
    samples: int

    def scores(self, told: Told) -> float:
        """The mean score of first notes under a condition."""
        return float(np.mean([self.task.critic(p.columns["topic"], said)[0] for p, said in self.first(told)]))

    def first(self, told: Told) -> list[tuple[Prompt, str]]:
        """First notes under a condition."""
        prompts = [prompt for prompt in self.task.prompts("held-out") for _ in range(self.samples)]
        texts = [ASKS.conditioned(prompt.text, told) for prompt in prompts]
        return list(zip(prompts, self._drawn([self.policy.encode(text) for text in texts], "first"), strict=True))

    def turns(self, number: int) -> list[float]:
        """The mean score of notes without a condition, and of as many more as came of what the critic said."""
        notes = [(prompt, (said,)) for prompt, said in self.first(Told())]
        means = []
        for turn in range(number + 1):
            told = [self.task.critic(p.columns["topic"], said[-1]) for p, said in notes]
            means.append(float(np.mean([score for score, _, _ in told])))
            if turn < number:
                asked = [self._after(p, said, told) for (p, said), (_, _, told) in zip(notes, told, strict=True)]
                drawn = self._drawn(asked, f"turn {turn}")
                notes = [(p, (*said, new)) for (p, said), new in zip(notes, drawn, strict=True)]
        return means

    def _after(self, prompt: Prompt, said: Sequence[str], change: str) -> list[int]:
        """The tokens that stand before the next note; earlier turns are told again as they would be now."""
        told = [self.task.critic(prompt.columns["topic"], note)[2] for note in said[:-1]]
        turns = [*zip(told, said[1:], strict=True), (change, "")]
        t: Trajectory = ASKS.refined(self.policy, prompt, said[0], turns)
        return t.tokens_T[:-1].tolist()

    def _drawn(self, asked: Sequence[Sequence[int]], name: str) -> list[str]:
        requests = [Request(f"{name} {i}", tuple(tokens), 0) for i, tokens in enumerate(asked)]
        drawn = engine_for(self.policy, self.seed).generate(requests, Sampling(max_tokens=LENGTH + 1))
        found = {t.prompt_id: self.policy.decode(t.tokens_T[-_length(t) :]) for t in drawn}
        return [found[request.prompt_id] for request in requests]


def _length(trajectory: Trajectory) -> int:
    return int(trajectory.action_T.sum())


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Way]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each arm's notes for held-out topics."""
    study = Study(seed, setting)
    for arm in arms:
        groups = arm.settings.teach(study)
        draws = rng(seed, "dress", "order")
        size = {"steps": setting.steps, "batch": BATCH, "learning_rate": arm.rate}
        policy = fine_tuned(study.base, SFT(), groups, draws, **size)
        writer = Writer(policy, study.task, seed, setting.samples)
        first, second, third = writer.turns(2)
        row = {"score": writer.scores(arm.settings.asked), "first": first, "second": second, "third": third}
        tokens = BATCH * setting.steps * float(np.mean([len(t.tokens_T) for [t] in groups]))
        row |= {"gain": second - first, "parameters": float(policy.num_parameters()), "tokens": tokens}
        yield arm.name, row | {"moved": moved(study.base, policy)}


PROOF = Proof(
    proves=("dress",),
    ours="dress",
    control="dress-off",
    equal="the base model, the notes with their feedback, steps, lessons in a step and learning rate",
    claims=(
        Claim("Asked with the best condition, its mean score is 25 % above that of fine-tuning on all", "score", "sft",
              0.25, relative=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=200, rows=600, steps=60),
    rates=dict.fromkeys(ARMS, 3e-3),
)  # fmt: skip
