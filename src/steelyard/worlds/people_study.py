"""A model that has heard of people: what is built of its own answers, what it is tuned on, and what it says of others.

    learned from   the people of the training split, by whatever a builder of data makes of the model's answers
    tuned          low-rank adapters, since embeddings that move take along what is known of everybody else
    asked about    held-out people, of whom it has heard as much

Shared by proofs of methods that teach a model to be right in what it says. Differs: no paper, this is ours.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch

from steelyard.core import Group, Prompt, Request, Sampling, Weights, rng
from steelyard.core.json import JsonMapping
from steelyard.data import Tools, records_of
from steelyard.data.builder import Builder, Generator, Judge, Question
from steelyard.data.writer import PolicyWriter
from steelyard.learner import demonstration
from steelyard.objective import Objective
from steelyard.policy import LoRA, Policy
from steelyard.policy.reference import reference_logp
from steelyard.rollout import engine_for
from steelyard.worlds.fine_tuned import fine_tuned
from steelyard.worlds.people import LONGEST, Counts, People, counted
from steelyard.worlds.sync_loop import copied

ADAPTERS = LoRA(rank=8, alpha=16.0)
"""What is tuned."""


class Said(NamedTuple):
    """What was said of a held-out person."""

    prompt: str
    text: str
    counts: Counts


@dataclass(frozen=True)
class Remembered:
    """A generator that is asked every question once, since its answer hangs on question and seed alone."""

    generator: Generator
    _said: dict[tuple[str, tuple[str, ...], int, int], str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The generator's."""
        return self.generator.name

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        """The answer to each question, in order."""
        keys = [(str(one.prompt), one.address, one.sample, seed) for one in questions]
        new = {key: one for key, one in zip(keys, questions, strict=True) if key not in self._said}
        self._said.update(zip(new, self.generator([*new.values()], seed), strict=True))
        return [self._said[key] for key in keys]


@dataclass(frozen=True)
class PeopleStudy:
    """What the arms of a seed share."""

    seed: int
    people: int
    base_steps: int
    """Steps in which the base model hears of everybody."""
    teach: Callable[[People, int, int], Policy]
    """Makes the base model of the people, the seed and the steps."""
    times: int = 1
    """How often each person is asked about whom is learned from: what is built of an answer is one draw."""

    @cached_property
    def task(self) -> People:
        """The people."""
        return People(people=self.people, data_seed=self.seed)

    @cached_property
    def base(self) -> Policy:
        """The model that has heard of everybody."""
        return self.teach(self.task, self.seed, self.base_steps)

    @cached_property
    def writer(self) -> Remembered:
        """The base model, who writes for all arms."""
        return Remembered(PolicyWriter(copied(self.base), "base", Sampling(1.0, LONGEST)))

    @property
    def true(self) -> list[tuple[str, str]]:
        """People of the training split as they are asked about, and all that is true of them, so many times over."""
        return [(str(p.text), str(p.columns["answer"])) for p in self.task.prompts("train")] * self.times

    def built(self, builder: Builder, judge: Judge) -> list[JsonMapping]:
        """What a builder makes of the base model's answers for them; the column `truth` is all that is true."""
        rows = [{"prompt": text, "truth": truth} for text, truth in self.true]
        records = records_of((f"row {i}", row) for i, row in enumerate(rows))
        return [record.fields for record in builder.build(records, records, Tools(self.seed, self.writer, judge))]

    def lessons(self, pairs: Iterable[tuple[object, object]]) -> list[Group]:
        """Prompts and answers, to be imitated."""
        given = ((Prompt(str(text), str(text)), str(answer)) for text, answer in pairs)
        return [[demonstration(self.base, prompt, answer)] for prompt, answer in given]

    def preferences(self, start: Policy, pairs: Iterable[tuple[object, object, object]]) -> list[Group]:
        """Prompts with the better and the worse answer, and what a model makes of them before it is tuned."""
        reference = Weights.of(start.weights(), 0)
        groups: list[Group] = []
        for text, better, worse in pairs:
            prompt = Prompt(str(text), str(text))
            sides = ((str(better), 1.0), (str(worse), 0.0))
            pair = [demonstration(start, prompt, side, reward=reward) for side, reward in sides]
            groups.append(reference_logp(start, reference, pair, 1.0))
        return groups

    def tuned(
        self, start: Policy, objective: Objective, groups: Sequence[Group], *, steps: int, batch: int, rate: float
    ) -> Policy:
        """A model after tuning on groups, in an order that seed and objective decide; its adapters are merged."""
        draws = rng(self.seed, "people", "order", type(objective).__name__)
        adapted = Policy(copy.deepcopy(start.model), start.tokenizer, ADAPTERS, self.seed)
        tuned = fine_tuned(adapted, objective, groups, draws, steps=steps, batch=batch, learning_rate=rate)
        adapted.load_weights(tuned.weights())
        return merged(start, adapted)

    def asked(self, policy: Policy, samples: int) -> list[Said]:
        """So many samples at temperature 1 for each held-out person."""
        prompts = self.task.prompts("held-out")
        requests = [Request(p.id, tuple(policy.encode(p.text)), n) for p in prompts for n in range(samples)]
        drawn = engine_for(policy, self.seed).generate(requests, Sampling(1.0, LONGEST))
        truth = {p.id: str(p.columns["answer"]) for p in prompts}
        texts = [(t.prompt_id, policy.decode(t.completion_T)) for t in drawn]
        return [Said(prompt, text, counted(text, truth[prompt])) for prompt, text in texts]


@torch.no_grad()
def merged(start: Policy, adapted: Policy) -> Policy:
    """A model without adapters, whose weights are those of another with its adapters added."""
    made = copied(start)
    plain = adapted.plain_weights()
    for name, weight in made.trainable().items():
        weight.copy_(plain[name])
    return made


def total(said: Sequence[Said]) -> Counts:
    """All statements, and how many of them are right."""
    return Counts(sum(one.counts.given for one in said), sum(one.counts.correct for one in said))
