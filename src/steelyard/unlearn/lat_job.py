"""Latent adversarial training as a job: `steelyard train lat --model DIR --path pairs.jsonl --retain benign.jsonl`.

Of each pair the chosen completion is what the model should say, such as a refusal, and the rejected one what it must
not (`task/preferences.py`); what is to stay as it is stands in a file of prompts and answers. Each step takes pairs and
as many benign rows, attacks the pairs' prompts, and learns from what the model says under attack (`lat.py`). What is
measured, on held-out pairs: `held_out_attack.py`; before the first step and after the last also how soon a few of the
rejected completions bring back the others (`forgetting_audits.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import Group, PositiveInt, Prompt, ShareInside, checked
from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.learner.given_data import GivenData
from steelyard.learner.model_job import ModelJob
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.rollout.greedy import greedy
from steelyard.task.answered import Answered, AnsweredFile
from steelyard.task.base import key_of, split_keys
from steelyard.task.preferences import Preference, PreferenceFile
from steelyard.unlearn.forgetting_audits import ForgettingAudits
from steelyard.unlearn.held_out_attack import held_out_attack
from steelyard.unlearn.lat import LAT
from steelyard.unlearn.latent_learner import LatentLearner
from steelyard.unlearn.material import Material
from steelyard.unlearn.protocol import Paired
from steelyard.unlearn.request import check_apart, check_lengths

Plain = tyro.conf.OmitArgPrefixes
_SHOWN = 4


class Files(NamedTuple):
    """What was read."""

    train: list[Preference]
    held_out: list[Preference]
    benign: list[Answered]
    benign_held_out: list[Answered]
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class LatentTraining(ModelJob):
    """Teach a model to hold where its hidden states are attacked."""

    OWN_DATA: ClassVar[str] = "--path pairs.jsonl --retain retain.jsonl"

    objective: Annotated[LAT, Plain] = field(default_factory=LAT)
    """The defence and its adversary."""
    path: str = ""
    """JSONL or Parquet file with columns prompt, chosen (what it should say) and rejected (what it must not)."""
    retain: str = ""
    """File of prompts and answers that are to stay as they are."""
    held_out: str = ""
    """File of pairs that are held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts of either file held out of training, chosen by hash of the prompt."""
    held_out_pairs: PositiveInt = 64
    """Held-out pairs, and benign rows, that are measured: the first ones."""
    fresh_steps: PositiveInt = 32
    """Steps of the attack that measures."""
    max_completion_length: PositiveInt = 64
    """Most tokens of an answer that is sampled."""
    audits: ForgettingAudits = field(default_factory=ForgettingAudits)
    """Audits before the first step and after the last."""
    file: Annotated[PreferenceFile, Plain] = field(default_factory=PreferenceFile)
    """How rows become pairs."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        kind = {"none": "refusal training", "random": "LAT at random"}.get(self.objective.adversary.attack, "")
        name = kind or f"{self.objective.adversary.attack} LAT"
        return f"{name} on {self.path}, beside {self.retain}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts, each once."""
        return [*{pair.prompt.id: pair.prompt for pair in self._read().held_out}.values()]

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, and how many steps there are."""
        read = self._read()
        policy = self.planned_policy()
        if policy is not None:
            self._check(policy, read)
        return {"data": self._facts(read), "model": self.planned_model(policy), "steps": self._steps(read)}

    def open(self) -> GivenData:
        """Read the files and load the model."""
        read = self._read()
        policy = self.policy()
        self._check(policy, read)
        learner = LatentLearner(
            policy, self.objective, self.optimizer, learning_rate=self.learning_rate, micro_tokens=self.micro_tokens
        )
        groups = Paired(
            learner, [_pair(policy, one) for one in read.train], _benign(policy, read.benign), batch=self.batch_size,
            seed=self.seed,
        )  # fmt: skip
        steps = self.steps_over(len(read.train))
        held = read.held_out[: self.held_out_pairs]
        material = Material([Answered(one.prompt, one.rejected) for one in held])

        def measure() -> tuple[JsonObject, list[JsonObject]]:
            found = self._measured(policy, read)
            ends = learner.steps in (0, steps)
            more = self.audits.measure(policy, material, self.max_completion_length) if ends else {}
            return {**found, **more}, self._samples(policy, held[:_SHOWN])

        return GivenData(learner, groups.at, steps, measure, self._facts(read))

    def _measured(self, policy: Policy, read: Files) -> JsonObject:
        pairs = [_pair(policy, one) for one in read.held_out[: self.held_out_pairs]]
        fresh = replace(self.objective.adversary, attack="targeted", attack_steps=self.fresh_steps)
        kept = [t for [t] in _benign(policy, read.benign_held_out[: self.held_out_pairs])]
        loss = float(-total_logp(policy, kept).sum() / num_actions(kept).sum())
        return {**held_out_attack(policy, self.objective, pairs, fresh), "eval/held_out_loss": loss}

    def _samples(self, policy: Policy, pairs: Sequence[Preference]) -> list[JsonObject]:
        said = greedy(policy, [_pair(policy, one)[0] for one in pairs], self.max_completion_length)
        return [
            {"prompt": one.prompt.text, "completion": policy.decode(tokens), "chosen": one.chosen}
            for one, tokens in zip(pairs, said, strict=True)
        ]

    def _read(self) -> Files:
        train, notes = self.file.read(self.path, "--path")
        words = {"prompt_template": self.file.prompt_template, "chat": self.file.chat}
        benign, more = AnsweredFile(**words, system_prompt=self.file.system_prompt).read(self.retain, "--retain")
        check_apart(benign, train, self.path)
        share = self.held_out_share
        rest, kept = split_keys(benign, lambda row: key_of(row.prompt.text), share, where=self.retain)
        if self.held_out:
            held, again = self.file.read(self.held_out, "--held-out")
            return Files(train, held, rest, kept, notes + more + again)
        train, held = split_keys(train, lambda pair: key_of(pair.prompt.text), share, where=self.path)
        return Files(train, held, rest, kept, notes + more)

    def _check(self, policy: Policy, read: Files) -> None:
        """Refuse sites that the model has not, and rows that do not fit its context."""
        self.objective.adversary.sites_in(policy)
        pairs = [t for one in (*read.train, *read.held_out) for t in _pair(policy, one)]
        benign = [t for [t] in _benign(policy, [*read.benign, *read.benign_held_out])]
        check_lengths(policy, [*pairs, *benign], pairs, self.max_completion_length)

    def _facts(self, read: Files) -> JsonObject:
        counts = {"train": len(read.train), "held_out": len(read.held_out)}
        return counts | {"benign": len(read.benign), "notes": dict(read.notes)}

    def _steps(self, read: Files) -> JsonObject:
        passes = (
            self.objective.adversary.attack_steps
            if self.objective.adversary.attack in ("targeted", "untargeted")
            else 0
        )
        steps = self.steps_over(len(read.train))
        return {"steps": steps, "pairs_a_step": self.batch_size, "attack_passes_a_step": passes, "epochs": self.epochs}


def _pair(policy: Policy, pair: Preference) -> Group:
    """A pair in a policy's tokens: what it should say with reward 1, what it must not with reward 0."""
    marks = {"retain": False}
    return [
        demonstration(policy, pair.prompt, said, ends=ends, reward=reward, labels=marks)
        for (said, ends), reward in zip(pair.sides, (1.0, 0.0), strict=True)
    ]


def _benign(policy: Policy, rows: Sequence[Answered]) -> list[Group]:
    return [[demonstration(policy, row.prompt, row.answer, labels={"retain": True})] for row in rows]
