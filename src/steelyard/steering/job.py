"""Steering as a job: `steelyard train mean-shift --model DIR --source s.jsonl --target t.jsonl`.

Both files hold texts, in a column `text`. An intervention is fitted that leads a model from texts like the source to
texts like the target; the model's weights stay as they are. The run's `model` directory holds the intervention:
`steelyard sample RUN` steers with it, and `--intervention RUN/model` of any recipe puts it into the model there.

    eval/source_logp, eval/target_logp    mean log-probability of a token of held-out texts (nats)
    eval/preference                       target_logp - source_logp: it rises where steering works
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import tyro

from steelyard.core import PositiveInt, Prompt, Seed, Share, checked, require
from steelyard.core.json import JsonObject
from steelyard.model import MeanShift
from steelyard.model.intervention import Steering
from steelyard.model.intervention_file import read_intervention
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device, check_device, device_of
from steelyard.policy.meta_model import local_directory, meta_policy
from steelyard.steering.texts import Texts, read_texts
from steelyard.steering.work import SteeringWork
from steelyard.task.base import make_prompt

Plain = tyro.conf.OmitArgPrefixes
_HINT = "name a directory, a shipped model or a hub id"


class Files(NamedTuple):
    """What was read."""

    source: Texts
    target: Texts


@checked()
@dataclass(frozen=True)
class SteeringJob:
    """Fit an intervention that leads a model from one kind of text to another."""

    OWN_DATA: ClassVar[str] = "--source source.jsonl --target target.jsonl"

    steering: Annotated[Steering, Plain] = field(default_factory=MeanShift)
    """What is fitted, and where."""
    model: str = ""
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    source: str = ""
    """JSONL or Parquet file of texts to lead away from."""
    target: str = ""
    """JSONL or Parquet file of texts to lead to."""
    column: str = "text"
    """Column of both files that holds the texts."""
    held_out: Share = 0.2
    """Share of the texts that is measured and not fitted to."""
    max_completion_length: PositiveInt = 32
    """Most tokens of a sample."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's weights."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    seed: Seed = 0
    """Seed of the samples."""
    output_dir: str | None = None
    """The run's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    threads: PositiveInt | None = None
    """Compute threads; None leaves their number to torch."""
    fitted: Annotated[str, tyro.conf.Suppress] = ""
    """Directory of the intervention once it is fitted: `trained` sets it."""

    @property
    def product(self) -> str:
        """A directory with the intervention, in the place of a model."""
        return "model"

    @property
    def max_steps(self) -> int:
        """There is one step, the fit."""
        return 1

    @property
    def eval_steps(self) -> int:
        """The model is measured before and after."""
        return 1

    @property
    def save_steps(self) -> int:
        """Nothing lies between the beginning and the end that could be saved."""
        return 0

    @property
    def keep_checkpoints(self) -> int:
        """The last one."""
        return 1

    @property
    def title(self) -> str:
        """What is led where, by what."""
        return f"{type(self.steering).__name__} from {self.source} to {self.target}; model {self.model}"

    def trained(self, model: Path) -> "SteeringJob":
        """The same job with the intervention that it wrote."""
        return replace(self, fitted=str(model))

    def policy(self) -> Policy:
        """The model, with its intervention once that is fitted.

        Raises:
            SteelyardError: there is no such model or no such intervention, or the model has no such site.
        """
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        policy = Policy.load(self.model, dtype=self.dtype).placed(self.device)
        if self.fitted:
            policy.intervene(read_intervention(Path(self.fitted)))
        return policy

    def asked(self) -> Sequence[Prompt]:
        """The first half of the words of each held-out source text."""
        return [_opening(text) for text in self._read().source.held_out]

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the model, and the sites."""
        read = self._read()
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        place = local_directory(self.model)
        if place is None:
            return {"data": self._facts(read), "model": {"model": self.model, "fetches": self.model}}
        policy = meta_policy(place, dtype=self.dtype)
        number = policy.num_parameters(trainable=False)
        device = str(device_of(self.device, number))
        sizes = {"type": policy.model.config.model_type, "parameters": number, "device": device}
        longest = self._check(policy, read)
        facts = self._facts(read) | {"longest_tokens": longest, "context": policy.context_length}
        sites = ", ".join(self.steering.sites(policy.model.config.num_hidden_layers))
        return {"data": facts, "model": {"model": self.model, **sizes}, "sites": {"changed": sites}}

    def open(self) -> SteeringWork:
        """Read the files and load the model."""
        read = self._read()
        policy = self.policy()
        self._check(policy, read)
        return SteeringWork(
            policy,
            self.steering,
            read.source,
            read.target,
            prompts=[_opening(text) for text in read.source.held_out],
            max_tokens=self.max_completion_length,
            seed=self.seed,
            facts=self._facts(read),
        )

    def _read(self) -> Files:
        source = read_texts(self.source, "--source", self.column, self.held_out)
        target = read_texts(self.target, "--target", self.column, self.held_out)
        both = {*source.all} & {*target.all}
        what = f"{len(both)} of its texts are in {self.source} too, such as {min(both, default='')[:40]!r}"
        require(not both, what, where=self.target, hint="leave them out of one file")
        return Files(source, target)

    def _facts(self, read: Files) -> JsonObject:
        merged = read.source.merged + read.target.merged
        counts = {"source": len(read.source.fit), "target": len(read.target.fit)}
        apart = {"held_out": len(read.source.held_out) + len(read.target.held_out)}
        return {**counts, **apart, "notes": {"equal texts merged": merged} if merged else {}}

    def _check(self, policy: Policy, read: Files) -> int:
        """The longest text (tokens); the model has to have the sites, too.

        Raises:
            SteelyardError: a text has a single token or more than the context, or there is no room for samples.
        """
        policy.check_sites(self.steering.sites(policy.model.config.num_hidden_layers))
        context = policy.context_length
        longest = 0
        for text in (*read.source.all, *read.target.all):
            number = len(policy.encode(text))
            what = f"the text {text[:40]!r} has {number} tokens, and the model's context is {context}"
            require(2 <= number <= context, what, where="data", hint="use texts of 2 tokens or more that fit")
            longest = max(longest, number)
        asked = max(len(policy.encode(str(_opening(text).text))) for text in read.source.held_out)
        what = f"is {self.max_completion_length}: a prompt of {asked} tokens leaves {context - asked} of the context"
        fits = asked + self.max_completion_length <= context
        require(fits, what, where="--max-completion-length", hint="lower it")
        return longest


def _opening(text: str) -> Prompt:
    words = text.split(" ")
    return make_prompt(" ".join(words[: max(1, len(words) // 2)]), {})
