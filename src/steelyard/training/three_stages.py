"""Supervised tuning, preference tuning, and RL on what can be verified, one after the other.

Each stage begins with the model that the one before it wrote. `steelyard train tulu3` is this pipeline with the
settings of Tulu 3 (Lambert et al. 2024, arXiv:2411.15124).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from msgspec import Meta

from steelyard.core import checked
from steelyard.pretrain.preference_tuning import PreferenceTuning
from steelyard.pretrain.supervised import SupervisedTuning
from steelyard.runtime import Run
from steelyard.runtime.run import Rewards
from steelyard.training.pipeline import PipelineSettings, Stage, check_stages

Files = Annotated[tuple[str, ...], Meta(description='files; in Python a tuple, such as ("questions.jsonl",)')]


@checked()
@dataclass(frozen=True)
class ThreeStageSettings(PipelineSettings):
    """The model, and the files of the three stages."""

    OWN_DATA: ClassVar[str] = "--sft questions.jsonl --pairs pairs.jsonl --rows questions.jsonl"

    sft: Files = ()
    """Files of prompts with answers, to imitate: FILE, or FILE=SHARE for a share of its rows; given once for each."""
    pairs: Files = ()
    """Files of prompts with a chosen and a rejected completion; FILE or FILE=SHARE, given once for each."""
    rows: Files = ()
    """Files of questions whose answers are verified; FILE or FILE=SHARE, given once for each."""
    reward: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """A function module:function(prompts, completions, **columns) that verifies completions of the last stage in place
    of the rows' answers; given several times, their sum."""


@dataclass(frozen=True)
class ThreeStages:
    """SFT, then DPO, then RLVR."""

    sft: SupervisedTuning
    """The first stage."""
    dpo: PreferenceTuning
    """The second."""
    rlvr: Run
    """The third."""
    given: ThreeStageSettings = field(default_factory=ThreeStageSettings)
    """The model and the files."""

    def __post_init__(self) -> None:
        check_stages(self._stages(self.rlvr))

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        return self.given.seed

    def stages(self) -> Sequence[Stage]:
        """The three stages, the last with the reward that verifies."""
        return self._stages(replace(self.rlvr, reward=self.given.reward))

    def _stages(self, rlvr: Run) -> Sequence[Stage]:
        given = self.given
        return (
            Stage("sft", "--sft", given.sft, self.sft),
            Stage("dpo", "--pairs", given.pairs, self.dpo),
            Stage("rlvr", "--rows", given.rows, rlvr),
        )
