"""Steering as a job: `steelyard train mean-shift --model DIR --source s.jsonl --target t.jsonl`.

Both files hold texts, in a column `text`. An intervention is fitted that leads a model from texts like the source to
texts like the target; the model's weights stay as they are. The run's `model` directory holds the intervention:
`steelyard sample RUN` steers with it, and `--intervention RUN/model` of any recipe puts it into the model there.

    eval/source_logp, eval/target_logp    mean log-probability of a token of held-out texts (nats)
    eval/preference                       target_logp - source_logp: it rises where steering works
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import PositiveInt, Prompt, Share, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.intervention_job import InterventionJob
from steelyard.learner.intervention_work import InterventionWork
from steelyard.model import MeanShift
from steelyard.model.intervention import Steering
from steelyard.policy import Policy
from steelyard.steering.fits import EndToEnd, fit_of
from steelyard.steering.measure import Preference
from steelyard.steering.texts import Texts, read_texts
from steelyard.task.base import make_prompt

Plain = tyro.conf.OmitArgPrefixes


class Files(NamedTuple):
    """What was read."""

    source: Texts
    target: Texts


@checked()
@dataclass(frozen=True)
class SteeringJob(InterventionJob):
    """Fit an intervention that leads a model from one kind of text to another."""

    OWN_DATA: ClassVar[str] = "--source source.jsonl --target target.jsonl"

    steering: Annotated[Steering, Plain] = field(default_factory=MeanShift)
    """What is fitted, and where."""
    one_by_one: bool = False
    """Fit site after site, each to what the model gives with the sites before it changed; it does nothing to what is
    learned end to end."""
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

    @property
    def max_steps(self) -> int | None:
        """One step, or those of learning; None where there is one for each site of the model."""
        return self.steering.steps if isinstance(self.steering, EndToEnd) else None if self.one_by_one else 1

    @property
    def eval_steps(self) -> int:
        """The model is measured before and after, and where it learns in many steps, four times between."""
        return max(1, (self.max_steps or 1) // 5)

    @property
    def save_steps(self) -> int:
        """As often as it is measured; a single step leaves nothing to be saved."""
        return 0 if self.max_steps == 1 else self.eval_steps

    @property
    def title(self) -> str:
        """What is led where, by what."""
        return f"{type(self.steering).__name__} from {self.source} to {self.target}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """The first half of the words of each held-out source text."""
        return [_opening(text) for text in self._read().source.held_out]

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the model, and the sites."""
        read = self._read()
        policy = self.planned_policy()
        model = self.planned_model(policy)
        if policy is None:
            return {"data": self._facts(read), "model": model}
        longest = self._check(policy, read)
        facts = self._facts(read) | {"longest_tokens": longest, "context": policy.context_length}
        sites = ", ".join(self.steering.sites(policy.model.config.num_hidden_layers))
        return {"data": facts, "model": model, "sites": {"changed": sites}}

    def open(self) -> InterventionWork:
        """Read the files and load the model."""
        read = self._read()
        policy = self.policy()
        self._check(policy, read)
        source, target = read.source.fit, read.target.fit
        fit = None if self.fitted else fit_of(policy, self.steering, source, target, one_by_one=self.one_by_one)
        prompts = [_opening(text) for text in read.source.held_out]
        held_out = read.source.held_out, read.target.held_out
        measure = Preference(policy, *held_out, prompts, self.max_completion_length, self.seed)
        return InterventionWork(policy, fit, measure, self._facts(read))

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
