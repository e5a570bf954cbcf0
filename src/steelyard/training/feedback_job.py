"""P(love) from logged feedback: `steelyard train rluf --model MODEL --feedback feedback.jsonl`.

What the run writes to RUN/model is a reward model with its calibration: `--reward love:RUN=0.5` beside other rewards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegativeInt, PositiveInt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of
from steelyard.reward.feedback import FeedbackColumns, Parts, check_both, feedback_of, parts_of
from steelyard.reward.loved import LoveModel
from steelyard.reward.rluf import RLUF
from steelyard.reward.scorer import Scorer
from steelyard.task.files import read_rows
from steelyard.training.feedback_fit import FeedbackFit, loved_of, measured_by


@checked()
@dataclass(frozen=True)
class FitFeedback(FittingSettings):
    """Fit P(love) on logged feedback, and calibrate it on held-out rows."""

    OWN_DATA: ClassVar[str] = "--feedback feedback.jsonl"
    makes: ClassVar[str] = "reward"

    learning: Annotated[RLUF, tyro.conf.OmitArgPrefixes] = field(default_factory=RLUF)
    """How it is fitted."""
    model: str = ""
    """Model to start from: a language model (it gets a new head) or a reward model; a directory or a hub id."""
    feedback: str = ""
    """JSONL or Parquet file with columns prompt, completion and feedback: 1 where users loved it, else 0."""
    columns: FeedbackColumns = field(default_factory=FeedbackColumns)
    """Which column plays which role."""
    held_out_share: ShareInside = 0.2
    """Share of the prompts that is not learned from: half of them calibrate, the other half measure."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
    every_row: Annotated[bool, tyro.conf.Suppress] = False
    """Measure by all rows of the file, and by no part of them."""

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"{self.model}, fitted on the feedback in {self.feedback}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, the model, and how many steps there are."""
        parts = self._read()
        check_device(self.device)
        require(bool(self.model), "is missing", where="--model", hint="name a directory or a hub id")
        _, here = locate(self.model)
        model = told_of(self.model, here)
        return {"data": _counted(parts), "model": model, "steps": {"steps": self.max_steps or self.learning.steps}}

    def open(self) -> FittingWork:
        """Read the rows, and begin to fit, or measure what `fitted` names."""
        parts = self._read()
        if self.fitted:
            known = LoveModel.load(self.fitted, self.device)
            measure = partial(measured_by, known, parts.measure)
            return FittingWork(None, measure, unwritten, _counted(parts))
        require(bool(self.model), "is missing", where="--model", hint="name a directory or a hub id")
        fit = FeedbackFit(
            Scorer.load(self.model, device=self.device, new_head=self.seed), parts, self.learning, self.seed
        )
        return FittingWork(fit.begin(self.max_steps or self.learning.steps), fit.measure, fit.write, _counted(parts))

    def measured_on(self, texts: str) -> "FitFeedback":
        """The same job on all feedback of another file."""
        return replace(self, feedback=texts, every_row=True)

    def _read(self) -> Parts:
        hint = "name a .jsonl or .parquet file with prompt, completion and feedback"
        require(bool(self.feedback), "is missing", where="--feedback", hint=hint)
        rows = feedback_of(read_rows(self.feedback), self.feedback, self.columns)
        if not self.every_row:
            return parts_of(rows, self.held_out_share, self.feedback)
        check_both(rows, "to measure by", self.feedback)
        return Parts([], [], rows)


def _counted(parts: Parts) -> JsonObject:
    """What data.json and the plan say of the rows."""
    loved = sum(int(loved_of(part).sum()) for part in parts)
    held_out = {"calibrate": len(parts.calibrate), "measure": len(parts.measure)}
    return {"rows": sum(map(len, parts)), "loved": loved, **held_out, "notes": {}}
