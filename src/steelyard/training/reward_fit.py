"""A reward model from pairs as a job, which stops and goes on as others do:

    steelyard train bradley-terry --model MODEL --path pairs.jsonl

What the run writes to RUN/model is a reward model: `--reward reward-model:RUN`, `--judge reward-model:RUN`, or
`--reward-model RUN/model`. Its head is drawn by the seed of heads, the order of pairs by the job's own, so that runs
which differ in their seed can be averaged.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegative, PositiveInt, Seed, ShareInside, checked, require
from steelyard.core.job import JobSettings
from steelyard.core.json import JsonObject
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of
from steelyard.reward.scorer import Scorer
from steelyard.task.base import key_of, split_keys
from steelyard.task.preferences import Preference, PreferenceFile
from steelyard.training.pair_fit import PairFit, readable

LEFT_OUT = "pairs left out because they do not fit the model's context"
TWICE = "pairs left out because their prompt is held out too"


@checked()
@dataclass(frozen=True)
class RewardFit(JobSettings):
    """Fit a reward model to pairs, calibrated by held-out ones."""

    OWN_DATA: ClassVar[str] = "--path pairs.jsonl"
    makes: ClassVar[str] = "reward"

    model: str = ""
    """Model to start from: a language model (it gets a new head) or a reward model; a directory or a hub id."""
    path: str = ""
    """JSONL or Parquet file with columns prompt (question, problem), chosen and rejected."""
    held_out: str = ""
    """File of pairs that are held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    centre: NonNegative = 0.01
    """Weight of the pull of a pair's scores to 0, which fixes the level that pairs leave open."""
    head_seed: Seed = 0
    """Seed of a new head."""
    batch_size: PositiveInt = 64
    """Pairs in a step."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    file: Annotated[PreferenceFile, tyro.conf.OmitArgPrefixes] = field(default_factory=PreferenceFile)
    """How rows become pairs."""
    fitted: Annotated[str, tyro.conf.Suppress] = ""
    """A reward model that is measured as it is; empty to fit one."""

    @property
    def title(self) -> str:
        """What is fitted to what."""
        return f"reward model on the pairs of {self.path}; model {self.model}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The pairs, the model, and how many steps there are."""
        train, held, notes = self._read()
        check_device(self.device)
        _, here = locate(self._named())
        model = told_of(self.model, here)
        steps = {"steps": self.steps_over(len(train)), "pairs_a_step": self.batch_size, "epochs": self.epochs}
        return {"data": _counted(train, held, notes), "model": model, "steps": steps}

    def open(self) -> FittingWork:
        """Read the pairs and load the model."""
        train, held, notes = self._read()
        check_device(self.device)
        scorer = Scorer.load(self.fitted or self._named(), device=self.device, new_head=self.head_seed)
        kept, able = readable(scorer, train), readable(scorer, held)
        notes += +Counter({LEFT_OUT: len(train) + len(held) - len(kept) - len(able)})
        hint = "shorten the texts, or take a model with a longer context"
        require(bool(kept) and len(able) > 1, "too few pairs fit the model's context", where=self.path, hint=hint)
        fit = PairFit(scorer, kept, able, self.learning_rate, self.batch_size, self.centre, self.seed)
        fitting = None if self.fitted else fit.begin(self.steps_over(len(kept)))
        write = unwritten if self.fitted else fit.write
        return FittingWork(fitting, fit.measure, write, _counted(kept, able, notes))

    def trained(self, model: Path) -> "RewardFit":
        """The same job on what it wrote."""
        return replace(self, fitted=str(model))

    def _named(self) -> str:
        require(bool(self.model), "is missing", where="--model", hint="name a directory or a hub id")
        return self.model

    def _read(self) -> tuple[list[Preference], list[Preference], Counter[str]]:
        train, notes = self.file.read(self.path, "--path")
        if self.held_out:
            held, more = self.file.read(self.held_out, "--held-out")
            asked = {pair.prompt.id for pair in held}
            rest = [pair for pair in train if pair.prompt.id not in asked]
            notes = notes + more + +Counter({TWICE: len(train) - len(rest)})
        else:
            rest, held = split_keys(train, _key, self.held_out_share, where=self.path)
        hint = "give more pairs, or hold out a larger share"
        enough = bool(rest) and len(held) > 1
        require(enough, f"{len(rest)} pairs to learn from and {len(held)} held out", where=self.path, hint=hint)
        return rest, held, notes


def _key(pair: Preference) -> str:
    return key_of(pair.prompt.text)


def _counted(train: Sequence[Preference], held: Sequence[Preference], notes: Mapping[str, int]) -> JsonObject:
    return {"train": len(train), "held_out": len(held), "notes": dict(notes)}
