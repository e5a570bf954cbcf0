"""Rounds of reward modelling, rejection sampling, supervised tuning and preference tuning, as one run.

In each round r of R, p_0 being the user's model and p_r what the round ends with:

    reward-r      a reward model from p_0, of all preference data so far
    sampling-r    K answers of p_(r-1) to each prompt, of which the reward model keeps the best
    sft-r         from p_0: the answers that were kept, and the user's own
    dpo-r         from sft-r: the preference data of this round alone; its model is p_r

The preference data of a round are the user's: a file for each round, or all files, dealt out to the rounds; or from
round 2 on `compared-r`: answers of p_(r-1), compared by a judge. With `runs` above 1 each model is the mean of the
weights of so many runs, which differ in the order of their data.
`steelyard train llama3` is this pipeline with the settings of Llama 3 (Dubey et al. 2024, arXiv:2407.21783).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, TypeVar

import tyro

from steelyard.core import PositiveInt, checked, require
from steelyard.data.job import Building
from steelyard.pretrain.preference_tuning import PreferenceTuning
from steelyard.pretrain.supervised import SupervisedTuning
from steelyard.task.wording import Wording
from steelyard.training.pipeline import Part, PipelineSettings, Stage, check_stages
from steelyard.training.products import GIVEN, Kind, Product, model_of
from steelyard.training.reward_fit import RewardFit
from steelyard.training.three_stages import Files
from steelyard.training.weight_average import WeightAverage

S = TypeVar("S", RewardFit, SupervisedTuning, PreferenceTuning)


@checked()
@dataclass(frozen=True)
class RoundSettings(PipelineSettings):
    """The model, the files, and how many rounds there are."""

    OWN_DATA: ClassVar[str] = "--pairs pairs.jsonl --prompts questions.jsonl --sft questions.jsonl --rounds 2"

    pairs: Files = ()
    """Files of prompts with a chosen and a rejected completion; FILE or FILE=SHARE, given once for each. As many as
    rounds are one for each; otherwise all are dealt out to the rounds, or with --compared.judge to the first."""
    prompts: Files = ()
    """Files of prompts that are sampled in each round, in a column `prompt`; other columns are shown to judges."""
    sft: Files = ()
    """Files of prompts with answers, to imitate in each round beside the sampled ones; FILE or FILE=SHARE."""
    rounds: PositiveInt = 6
    """R: how often all of it is done."""
    runs: PositiveInt = 1
    """Runs of each stage that trains, whose weights are averaged; they differ in the order of their data."""
    wording: Annotated[Wording, tyro.conf.OmitArgPrefixes] = field(default_factory=Wording)
    """What stands around a prompt, in every stage."""


@dataclass(frozen=True)
class Rounds:
    """R times: reward model, rejection sampling, SFT, DPO."""

    reward: RewardFit
    """How a reward model is fitted."""
    sampling: Building
    """How answers are sampled, and which are kept."""
    sft: SupervisedTuning
    """How answers are imitated."""
    dpo: PreferenceTuning
    """How preferences are learned."""
    compared: Building
    """How a round's preference data are made of a model's own answers, where `judge` names who compares them."""
    given: RoundSettings = field(default_factory=RoundSettings)
    """The model and the files."""

    def __post_init__(self) -> None:
        words = {"reward": self.reward.file, "sft": self.sft.file, "dpo": self.dpo.file}
        for name, file in words.items():
            own = next((key for key, usual in vars(Wording()).items() if getattr(file, key) != usual), None)
            where = f"--{name}.{(own or '').replace('_', '-')}"
            hint = "leave the stage's name out"
            require(own is None, "is set for one stage, and belongs to the pipeline", where=where, hint=hint)
        check_stages(self.stages())

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        return self.given.seed

    @property
    def judged(self) -> bool:
        """Whether a judge makes the preference data from round 2 on."""
        return bool(self.compared.judge)

    def stages(self) -> Sequence[Stage]:
        """The stages of all rounds."""
        return [stage for number in range(1, self.given.rounds + 1) for stage in self._round(number)]

    def _round(self, r: int) -> Iterator[Stage]:
        """The stages of a round, from 1."""
        newest = GIVEN if r == 1 else model_of(f"dpo-{r - 1}")
        if self.judged and r > 1:
            yield self._asked("compared", r, self.compared, {"generator": newest})
        yield from self._averaged(self._reward(r), "reward")
        judge = Product("reward", f"reward-{r}", as_reward=True)
        yield self._asked("sampling", r, self.sampling, {"generator": newest, "judge": judge})
        yield from self._averaged(self._sft(r), "model")
        yield from self._averaged(self._dpo(r), "model")

    def _asked(self, word: str, r: int, settings: Building, uses: Mapping[str, Product]) -> Stage:
        """A stage that asks the newest model; by words of its own, where it has some."""
        usual = settings.wording == Wording()
        asked = replace(settings, wording=self.given.wording) if usual else settings
        return Stage(f"{word}-{r}", "--prompts", self.given.prompts, asked, flags=word, uses=uses, variant=r - 1)

    def _reward(self, r: int) -> Stage:
        """All preference data so far."""
        files, part = self._pairs(1, r)
        records = [f"compared-{n}" for n in range(2, r + 1)] if self.judged else []
        settings = self._worded(self.reward)
        named = {"flags": "reward", "uses": {"model": GIVEN}, "records": records, "part": part}
        return Stage(f"reward-{r}", "--pairs", files, settings, **named)

    def _sft(self, r: int) -> Stage:
        named = {"flags": "sft", "uses": {"model": GIVEN}, "records": (f"sampling-{r}",)}
        return Stage(f"sft-{r}", "--sft", self.given.sft, self._worded(self.sft), **named)

    def _dpo(self, r: int) -> Stage:
        """The preference data of the round."""
        files, part = self._pairs(r, r)
        named: dict[str, Any] = {"flags": "dpo", "uses": {"model": model_of(f"sft-{r}")}}
        if self.judged and r > 1:
            first = "dpo-1" if self.given.runs == 1 else _run("dpo-1", 1)
            named |= {"records": (f"compared-{r}",), "held_out_of": first}
        return Stage(f"dpo-{r}", "--pairs", files, self._worded(self.dpo), part=part, **named)

    def _pairs(self, first: int, last: int) -> tuple[Sequence[str], Part | None]:
        """The user's preference data of some rounds: the files, and which of their rows."""
        files, rounds = self.given.pairs, self.given.rounds
        if self.judged:
            return files if first == 1 else (), None
        if len(files) == rounds:
            return files[first - 1 : last], None
        return files, Part(first - 1, last, rounds)

    def _averaged(self, stage: Stage, kind: Kind) -> Iterator[Stage]:
        """The stage, or so many runs of it and their mean."""
        runs = range(1, self.given.runs + 1)
        if len(runs) == 1:
            yield stage
            return
        for n in runs:
            yield replace(stage, name=_run(stage.name, n), variant=n - 1)
        made = tuple(Product(kind, _run(stage.name, n)) for n in runs)
        yield Stage(stage.name, "", (), WeightAverage(of=kind), flags="average", uses={"models": made})

    def _worded(self, settings: S) -> S:
        """A stage that reads prompts as they are asked."""
        return replace(settings, file=replace(settings.file, **vars(self.given.wording)))


def _run(stage: str, number: int) -> str:
    return f"{stage}-run-{number}"
