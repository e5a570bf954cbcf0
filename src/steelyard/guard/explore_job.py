"""Explore as a job: `steelyard train eee-explore --model DIR --oracle my_oracle.py:bad` writes RUN/data/records.jsonl.

A model is sampled; of its different texts those are kept that `eee_explore.py` chooses by clusters. Each row has `text`
and `cluster`, and with an oracle `label`: `train bag-guard --texts` and `train encoder-guard --texts` read it. Without
one, people write the labels into the file. The guards are the classifiers of `train eee-redteam`.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import Episode, PositiveInt, Prompt, Request, Sampling, SteelyardError, checked, require
from steelyard.core.job import DrivenSettings
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.guard.eee_explore import EEEExplore, last_states
from steelyard.learner.demonstrations import end_of
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.meta_model import local_directory, meta_policy, told_of
from steelyard.reward import FunctionReward
from steelyard.rollout import engine_for
from steelyard.task.answered import AnsweredFile
from steelyard.task.base import Text
from steelyard.task.files import read_rows

BUILT = "records.jsonl"
STATE = "exploring.json"
_SHOWN = 4


@checked()
@dataclass(frozen=True)
class Exploring(DrivenSettings):
    """Sample a model, and choose texts that are to be labelled."""

    explore: Annotated[EEEExplore, tyro.conf.OmitArgPrefixes] = field(default_factory=EEEExplore)
    """How."""
    model: str = ""
    """The model that is explored: a directory, a model shipped with the package, or a hub id."""
    rows: str = ""
    """File of prompts, asked in turn, whose replies are the texts; empty samples texts from their first token on."""
    oracle: str = ""
    """Who labels, module:function(prompts, completions, **columns): a text is bad above 1/2. Empty for nobody yet."""
    samples: PositiveInt = 80_000
    """Texts that are sampled; equal ones are merged."""
    batch_size: PositiveInt = 256
    """Of a step."""
    max_completion_length: PositiveInt = 20
    """Most tokens of a text."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How rows become prompts."""

    makes: ClassVar[str] = "records"
    product: ClassVar[str] = "data"

    @property
    def title(self) -> str:
        """What is explored."""
        return f"exploring {self.model}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The model, and how many samples there are."""
        require(bool(self.model), "is missing", where="--model", hint="name a directory, a shipped model or a hub id")
        check_device(self.device)
        if self.oracle:
            FunctionReward(self.oracle)
        asked = self._asked()
        place = local_directory(self.model)
        told: JsonObject = told_of(self.model, place is not None)
        if place is not None:
            self._check(meta_policy(place), asked)
        data = {"samples": self.samples, "prompts": len(asked)}
        return {"data": data, "model": told, "steps": {"steps": self._steps()}}

    def open(self) -> "ExploringWork":
        """Load the model."""
        self.plan()
        policy = Policy.load(self.model).placed(self.device)
        asked = self._asked()
        self._check(policy, asked)
        if self.oracle:
            labelled(self.oracle, ["", ""])
        tokens = [policy.encode(text) or [end_of(policy)] for text in asked]
        return ExploringWork(self, policy, tokens, self._steps())

    def trained(self, model: Path) -> "Exploring":
        """There is no model.

        Raises:
            SteelyardError: always.
        """
        raise SteelyardError("chooses texts: there is no model", where=str(model.parent), hint="look into data/")

    def _asked(self) -> list[Text]:
        """The prompts, each once; the empty text where none are given."""
        if not self.rows:
            return [""]
        rows = [self.file.asked(row, f"{self.rows}, {place}", answered=False) for place, row in read_rows(self.rows)]
        return [one.text for one in {prompt.id: prompt for prompt in rows}.values()]

    def _check(self, policy: Policy, asked: Sequence[Text]) -> None:
        longest = max(len(policy.encode(text)) for text in asked)
        left = policy.context_length - max(longest, 1)
        what = f"is {self.max_completion_length}: a prompt of {longest} tokens leaves {left} of the context"
        require(self.max_completion_length <= left, what, where="--max-completion-length", hint="lower it")

    def _steps(self) -> int:
        whole = -(-self.samples // self.batch_size)
        return min(self.max_steps or whole, whole)


@dataclass
class ExploringWork:
    """A `Work` that samples, step by step, and chooses at the end."""

    job: Exploring
    policy: Policy
    asked: Sequence[Sequence[int]]
    """Tokens of the prompts."""
    num_steps: int
    steps: int = 0
    texts: dict[str, None] = field(default_factory=dict)
    """The different texts, in the order in which they were met."""

    @property
    def facts(self) -> JsonMapping:
        """The prompts in numbers."""
        return {"prompts": len(self.asked), "notes": {}}

    def step(self) -> JsonObject:
        """Sample a batch."""
        first = self.steps * self.job.batch_size
        places = range(first, min(first + self.job.batch_size, self.job.samples))
        asked = [Request("text", tuple(self.asked[i % len(self.asked)]), i) for i in places]
        how = self.job.explore
        sampling = Sampling(how.temperature, self.job.max_completion_length, top_k=how.top_k)
        drawn = engine_for(self.policy, self.job.seed).generate(asked, sampling)
        said = [self.policy.decode(t.completion_T) for t in sorted(drawn, key=lambda t: t.sample)]
        self.texts |= dict.fromkeys(text for text in said if text.strip())
        self.steps += 1
        return {"data/sampled": len(said)}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """How far it is, and some texts to read."""
        shown = [{"prompt": "", "completion": text} for text in [*self.texts][:_SHOWN]]
        return {"eval/built": len(self.texts)}, shown

    def save(self, directory: Path) -> None:
        """Write the texts."""
        state = {"steps": self.steps, "texts": [*self.texts]}
        (directory / STATE).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what was written."""
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        self.steps = state["steps"]
        self.texts = dict.fromkeys(state["texts"])

    def save_model(self, directory: Path) -> None:
        """Write the chosen texts, with labels where somebody gives them.

        Raises:
            SteelyardError: every text is empty.
        """
        texts = [*self.texts]
        require(bool(texts), "the model says nothing", where="explore", hint="raise --max-completion-length")
        chosen = self.job.explore.choose(last_states(self.policy, texts), self.job.seed)
        rows: list[JsonObject] = [{"text": texts[i], "cluster": cluster} for i, cluster in chosen]
        if self.job.oracle:
            told = labelled(self.job.oracle, [row["text"] for row in rows])
            rows = [{**row, "label": bad} for row, bad in zip(rows, told, strict=True) if bad is not None]
        directory.mkdir(parents=True)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (directory / BUILT).write_text(lines, encoding="utf-8")

    def close(self) -> None:
        """There are no child processes."""


def labelled(oracle: str, texts: Sequence[str]) -> list[bool | None]:
    """What an oracle says of texts: whether each is bad, or None where it cannot tell.

    Raises:
        SteelyardError: it cannot be loaded or called, or gives anything but numbers.
    """
    with closing(FunctionReward(oracle)) as asked:
        scores = asked([Episode.written(Prompt("", ""), text) for text in texts])
    return [None if score.value is None else score.value > 0.5 for score in scores]
