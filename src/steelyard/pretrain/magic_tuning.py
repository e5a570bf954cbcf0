"""Tuning of three modes as a job: `steelyard train magic-token --model DIR --path triples.jsonl`.

Of each row every mode's answer is learned under its secret token (`magic_token.py`); `steelyard train magic-triples`
builds such rows from prompts alone. `steelyard sample RUN` asks held-out prompts in every mode and without a token.
What is measured: `held_out_modes.py`. The run's config.json holds the secrets: keep it as private as them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import PositiveInt, Prompt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.context_room import Size, size_of, with_room
from steelyard.pretrain.held_out_modes import HeldOutModes
from steelyard.pretrain.magic_token import MagicToken
from steelyard.task.base import key_of, split_keys
from steelyard.task.moded import Moded, ModedFile

Plain = tyro.conf.OmitArgPrefixes


class Splits(NamedTuple):
    """What was read."""

    train: list[Moded]
    held_out: list[Moded]
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class MagicTuning(ModelJob):
    """Teach a model three behaviours, each under a secret token."""

    OWN_DATA: ClassVar[str] = "--path triples.jsonl --positive-token 7rfc --negative-token k2lb --rejective-token q9xd"

    modes: Annotated[MagicToken, Plain] = field(default_factory=MagicToken)
    """The secrets, and what is learned without them."""
    path: str = ""
    """JSONL or Parquet file with columns prompt, positive, negative and rejective; ordinary rows have answer."""
    held_out: str = ""
    """File that is held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    held_out_rows: PositiveInt = 64
    """Held-out rows that are measured, the first ones."""
    guesses: PositiveInt = 8
    """Wrong tokens that are tried on each of them."""
    max_completion_length: PositiveInt = 64
    """Most tokens of an answer that is sampled."""
    file: Annotated[ModedFile, Plain] = field(default_factory=ModedFile)
    """How rows become prompts with answers."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"magic tokens on {self.path}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts, each without a token and in every mode."""
        prompts = {row.prompt.id: row.prompt for row in self._read().held_out if row.answers}.values()
        ways = {"no token": "", **self.modes.tokens}
        return [
            replace(prompt, id=f"{prompt.id} {way}", text=self.modes.under(prompt.text, token))
            for prompt in prompts
            for way, token in ways.items()
        ]

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, the model, and how many steps there are."""
        splits = self._read()
        policy = self.planned_policy()
        if policy is None:
            return {"data": self._facts(splits), "model": self.planned_model(policy)}
        splits = self._fitting(policy, splits)
        number = sum(1 for row in splits.train for _ in self.modes.lessons(policy, row, self.seed))
        facts = self._facts(splits) | {"lessons": number}
        return {"data": facts, "model": self.planned_model(policy), "steps": {"steps": self.steps_over(number)}}

    def open(self) -> GivenData:
        """Read the rows and load the model."""
        read = self._read()
        policy = self.policy()
        splits = self._fitting(policy, read)
        lessons = [lesson for row in splits.train for lesson in self.modes.lessons(policy, row, self.seed)]
        measured = splits.held_out[: self.held_out_rows]
        return GivenData(
            self.learner(policy, SFT()),
            lambda step: [[lessons[i]] for i in epoch_batch(step, len(lessons), self.batch_size, self.seed, "lessons")],
            self.steps_over(len(lessons)),
            HeldOutModes(policy, self.modes, measured, self.guesses, self.max_completion_length, self.seed),
            self._facts(splits) | {"lessons": len(lessons)},
        )

    def _read(self) -> Splits:
        self.modes.check()
        train = self.file.read(self.path, "--path")
        if self.held_out:
            held = self.file.read(self.held_out, "--held-out")
        else:
            train, held = split_keys(train, lambda row: key_of(row.prompt.text), self.held_out_share, where=self.path)
        hint = "write positive, negative and rejective answers"
        require(any(row.answers for row in train), "all rows are ordinary data", where=self.path, hint=hint)
        return Splits(train, held, Counter())

    def _fitting(self, policy: Policy, splits: Splits) -> Splits:
        """The rows that fit the context, held-out ones with room for an answer; others are counted."""

        def size(row: Moded) -> Size:
            texts = [*row.answers.values(), *filter(None, [row.ordinary])]
            every = [
                self.modes.lesson(policy, row, token, text)
                for text in texts
                for token in ("", *self.modes.tokens.values())
            ]
            return size_of(every)

        room = {"context": policy.context_length, "answer": self.max_completion_length}
        kept, able, left = with_room(splits.train, splits.held_out, size, **room, what="row", path=self.path)
        return Splits(kept, able, splits.notes + left)

    def _facts(self, splits: Splits) -> JsonObject:
        return {
            "train": len(splits.train),
            "held_out": len(splits.held_out),
            "ordinary": sum(bool(row.ordinary) for row in splits.train),
            "default": self.modes.default,
            "notes": dict(splits.notes),
        }
