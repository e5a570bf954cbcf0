"""Prompts from a file or the hub, scored by a reward model: preference tuning on data of one's own.

    r(y | x) = s(x, y) if y ends, else a fixed score for truncated completions

`--uncertainty.scale 1` discounts scores that the reward model is not sure of (`reward.ctrl_u`); by default none is.
Rows are as in `rows` but need no answer. A second reward model (`gold_model`) may be used for evaluation alone: then
held-out evaluation reports its mean and its win rate against the initial policy.
Source: Stiennon et al. 2020, arXiv:2009.01325; the fixed score: Huang et al. 2024, arXiv:2403.17031.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from steelyard.core import Episode, Prompt, Reward, Score, ShareInside, method
from steelyard.policy.auxiliary_model import AuxiliaryModel
from steelyard.policy.device import Device
from steelyard.reward import CtrlU, RewardModel, Uncertain
from steelyard.task.base import PlainText, PromptTemplate
from steelyard.task.columns import Columns
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.wins import mean, win_rate

SURE = CtrlU(scale=0.0)


@method("judged-rows", paper="arXiv:2009.01325", exemptions=NO_FILE)
@dataclass(frozen=True)
class JudgedRows:
    """The prompts of a file, or of a data set of the hub, scored by a reward model."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl --reward-model REWARD_MODEL"

    path: str = ""
    """JSONL or Parquet file, directory with SPLIT*.parquet or .jsonl, or hub id; with a column prompt."""
    split: str = "train"
    """Split of a data set of the hub that is trained on."""
    held_out: str = ""
    """File, or split of a data set of the hub, that is held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    prompt_template: PromptTemplate = "{prompt}"
    r"""Text around each prompt; on the command line \n, \t and \\ are a line break, a tab and a backslash."""
    reward_model: str = ""
    """The reward model for training: a directory or a hub id."""
    gold_model: str = ""
    """A reward model for evaluation only; empty for none."""
    models_device: Device = "cpu"
    """Where each reward model computes: cpu, cuda (the first GPU), cuda:1, ...; auto takes a GPU for a large one."""
    cut_off: float = -1.0
    """The score of a truncated completion."""
    uncertainty: CtrlU = SURE
    """What the reward model's uncertainty takes from scores: nothing at a scale of 0. eval/proxy is the whole score."""
    subset: str = ""
    """Configuration of a data set of the hub."""
    columns: Columns = field(default_factory=Columns)
    """Which column plays which role."""
    chat: bool = False
    """Make each question the message of a user, which the model's chat template renders."""
    system_prompt: PlainText = ""
    """Message of the system before a chat; empty for none."""

    @cached_property
    def _rows(self) -> Rows:
        return Rows(
            path=self.path,
            split=self.split,
            held_out=self.held_out,
            held_out_share=self.held_out_share,
            prompt_template=self.prompt_template,
            needs_answer=False,
            subset=self.subset,
            columns=self.columns,
            chat=self.chat,
            system_prompt=self.system_prompt,
        )

    @cached_property
    def _proxy(self) -> RewardModel:
        return RewardModel(self.reward_model, self.cut_off, device=self.models_device)

    @cached_property
    def _reward(self) -> Reward:
        return Uncertain(self._proxy, self.uncertainty)

    @cached_property
    def _gold(self) -> RewardModel:
        return RewardModel(self.gold_model, self.cut_off, device=self.models_device)

    @property
    def fetches(self) -> str | None:
        """The data set that may be downloaded from the hub; None if all files are local."""
        return self._rows.fetches

    @property
    def notes(self) -> Mapping[str, int]:
        """How many rows were merged or left out, and why, as far as there are any."""
        return self._rows.notes

    @property
    def domains(self) -> Mapping[str | int, int]:
        """Domain -> its number, where a column plays that role."""
        return self._rows.domains

    @property
    def models(self) -> Mapping[str, AuxiliaryModel]:
        """The models that the task loads, by their role."""
        proxy = AuxiliaryModel(self.reward_model, "reward model", device=self.models_device)
        gold = replace(proxy, model=self.gold_model, searched=False)
        return {"reward model": proxy} | ({"gold model": gold} if self.gold_model else {})

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the file's order."""
        return self._rows.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order, less what is uncertain; None if the reward model cannot read it."""
        return self._reward(episodes)

    def measure(
        self, samples: Sequence[Sequence[Episode]], reference: Sequence[Sequence[Episode]]
    ) -> Mapping[str, float]:
        """`proxy` and `proxy_win_rate` by the reward model; `gold` and `gold_win_rate` if there is a gold model."""
        judges = {"proxy": self._proxy} | ({"gold": self._gold} if self.gold_model else {})
        found: dict[str, float] = {}
        for name, judge in judges.items():
            own, theirs = (_values(judge, groups) for groups in (samples, reference))
            found |= {name: mean(own), f"{name}_win_rate": win_rate(own, theirs)}
        return found


def _values(judge: RewardModel, groups: Sequence[Sequence[Episode]]) -> list[list[float]]:
    scores = iter(judge([episode for group in groups for episode in group]))
    return [[s.value for s in (next(scores) for _ in group) if s.value is not None] for group in groups]
