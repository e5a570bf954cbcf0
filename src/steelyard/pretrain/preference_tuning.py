"""Preference tuning on pairs of a file as a job: `steelyard train offline-dpo --model DIR --path pairs.jsonl`.

A model learns to prefer the chosen completion of each pair to the rejected one (`task/preferences.py`); nothing is
sampled. The objective is any that compares two samples of a prompt: the chosen one has reward 1, the other 0. Its
reference is the model before the first step. The likelihood of the chosen completion may join the loss
(`objective/chosen_likelihood.py`), and tokens of form may stay out of it (`pretrain/format_tokens.py`). What is
measured, on whole held-out pairs: `pretrain/held_out_pairs.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegative, PositiveInt, Prompt, ShareInside, checked, needs_of, require
from steelyard.core.json import JsonObject
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.learner.referred import Referred
from steelyard.objective import DPO, Objective, WithChosenLikelihood
from steelyard.policy import Policy
from steelyard.pretrain.context_room import Size, size_of, with_room
from steelyard.pretrain.format_tokens import format_ids, without_format
from steelyard.pretrain.held_out_pairs import HeldOutPairs, given_pair, pair_logp
from steelyard.task.base import key_of, split_keys
from steelyard.task.preferences import Preference, PreferenceFile

Plain = tyro.conf.OmitArgPrefixes
HELD_OUT_TOO = "pairs left out because their prompt is held out too"
_READ = {"reward_PG", "logp_ref_PGT"}
"""What a pair has for an objective."""


@checked()
@dataclass(frozen=True)
class PreferenceTuning(ModelJob):
    """Teach a model the preferences of a file."""

    OWN_DATA: ClassVar[str] = "--path pairs.jsonl"

    objective: Annotated[Objective, Plain] = field(default_factory=DPO)
    """The loss."""
    nll_weight: NonNegative = 0.0
    """Weight of the chosen completion's negative log-likelihood (nats a token) beside the loss; 0 leaves it out."""
    format_masked: bool = False
    """Leave special tokens, such as headers and the end of the turn, out of the loss of both completions."""
    path: str = ""
    """JSONL or Parquet file with columns prompt (question, problem), chosen and rejected."""
    held_out: str = ""
    """File of pairs that are held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    held_out_pairs: PositiveInt = 128
    """Held-out pairs that are measured, the first ones."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a greedy completion of a held-out prompt."""
    margins_from: str = ""
    """Model that held-out margins are measured from; empty for the one that is named by --model."""
    file: Annotated[PreferenceFile, Plain] = field(default_factory=PreferenceFile)
    """How rows become pairs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        needs = needs_of(self.objective)
        pairs = needs.group_size in (None, 2) and needs.least_group <= 2
        able = pairs and not (needs.reads - _READ or needs.labels or needs.demonstrations or needs.true_samples)
        what = f"{type(self.objective).__name__} cannot learn from given pairs alone"
        require(able, what, where="objective", hint="take one that compares two completions, such as DPO or IPO")

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"{type(self.objective).__name__} on the pairs of {self.path}; model {self.model}"

    def trained(self, model: Path) -> "PreferenceTuning":
        """The same job on what it wrote, whose margins are still those from the model that it began with."""
        return replace(self, model=str(model), lora_rank=0, margins_from=self.margins_from or self.model)

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts, each once."""
        return [*{pair.prompt.id: pair.prompt for pair in self._read()[1]}.values()]

    def plan(self) -> Mapping[str, JsonObject]:
        """The pairs, the model, and how many steps there are."""
        train, held, notes = self._read()
        policy = self.planned_policy()
        if self.margins_from:
            self._measured_from().planned_policy()  # refused here as by the run
        if policy is not None:
            train, held, notes = self._fitting(policy, train, held, notes)
        facts = {"train": len(train), "held_out": len(held), "notes": dict(notes)}
        steps = {"steps": self.steps_over(len(train)), "pairs_a_step": self.batch_size, "epochs": self.epochs}
        return {"data": facts, "model": self.planned_model(policy), "steps": steps}

    def open(self) -> GivenData:
        """Read the pairs and load the model."""
        train, held, notes = self._read()
        policy = self.policy()
        train, held, notes = self._fitting(policy, train, held, notes)
        measured = held[: self.held_out_pairs]
        first = self._measured_from().policy() if self.margins_from else policy
        anchored = WithChosenLikelihood(self.objective, self.nll_weight) if self.nll_weight else self.objective
        learner = self.learner(policy, anchored)
        masked = format_ids(policy) if self.format_masked else frozenset[int]()
        groups = Referred(learner, [without_format(given_pair(policy, pair), masked) for pair in train])
        return GivenData(
            learner,
            lambda step: groups.at(epoch_batch(step, len(train), self.batch_size, self.seed, "pairs")),
            self.steps_over(len(train)),
            HeldOutPairs(policy, measured, pair_logp(first, measured), self.max_completion_length),
            {"train": len(train), "held_out": len(held), "notes": dict(notes)},
        )

    def _measured_from(self) -> ModelJob:
        return replace(self, model=self.margins_from, lora_rank=0)

    def _read(self) -> tuple[list[Preference], list[Preference], Counter[str]]:
        train, notes = self.file.read(self.path, "--path")
        if not self.held_out:
            return *split_keys(train, _key, self.held_out_share, where=self.path), notes
        held, more = self.file.read(self.held_out, "--held-out")
        asked = {pair.prompt.id for pair in held}
        rest = [pair for pair in train if pair.prompt.id not in asked]
        hint = "name another file with --held-out"
        require(bool(rest), f"every prompt is in {self.held_out} too", where=self.path, hint=hint)
        return rest, held, notes + more + +Counter({HELD_OUT_TOO: len(train) - len(rest)})

    def _fitting(
        self, policy: Policy, train: list[Preference], held: list[Preference], notes: Counter[str]
    ) -> tuple[list[Preference], list[Preference], Counter[str]]:
        """The pairs that fit the context, held-out prompts with room for a completion; others are counted."""

        def size(pair: Preference) -> Size:
            return size_of(given_pair(policy, pair))

        room = {"context": policy.context_length, "answer": self.max_completion_length}
        kept, able, left = with_room(train, held, size, **room, what="pair", path=self.path)
        return kept, able, notes + left


def _key(pair: Preference) -> str:
    return key_of(pair.prompt.text)
