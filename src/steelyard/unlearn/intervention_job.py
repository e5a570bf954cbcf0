"""Forgetting by an intervention as a job: `steelyard train eco --model DIR --forget f.jsonl --retain r.jsonl`.

The model's weights stay as they are: the run's `model` directory holds the intervention. `steelyard sample RUN` runs
the model with it, `--intervention RUN/model` puts it into the model of any recipe and any audit, and the audit is that
of every unlearning job (`unlearn/request.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.intervention_job import InterventionJob
from steelyard.learner.intervention_work import Fit, InterventionWork
from steelyard.policy import Policy
from steelyard.unlearn.eco import ECO
from steelyard.unlearn.forgetting import Forgetting
from steelyard.unlearn.request import Files, ForgetRequest

Plain = tyro.conf.OmitArgPrefixes


@checked()
@dataclass(frozen=True)
class ForgetByIntervention(InterventionJob, ForgetRequest):
    """Have a model run with an intervention that makes it forget the answers to some prompts."""

    forgetting: Annotated[Forgetting, Plain] = field(default_factory=ECO)
    """How."""

    @property
    def max_steps(self) -> int:
        """Those of the fit."""
        return self.forgetting.num_steps

    @property
    def eval_steps(self) -> int:
        """The model is measured before and after."""
        return self.max_steps

    @property
    def save_steps(self) -> int:
        """Every step of a search is saved; a single step leaves nothing to be saved."""
        return 0 if self.max_steps == 1 else 1

    @property
    def title(self) -> str:
        """What is forgotten, by what, beside what."""
        beside = f"beside {self.retain}" if self.retain else "with nothing retained"
        return f"{type(self.forgetting).__name__} on {self.forget}, {beside}; model {self.model}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, and how many steps there are."""
        read = self._files()
        policy = self.planned_policy()
        longest: JsonObject = {}
        if policy is not None:
            longest = {"longest_tokens": self._longest(policy, read), "context": policy.context_length}
        model = self.planned_model(policy)
        return {"data": self.facts(read) | longest, "model": model, "steps": {"steps": self.max_steps}}

    def open(self) -> InterventionWork:
        """Read the files, load the model, and begin to fit."""
        read = self._files()
        policy = self.policy()
        self._longest(policy, read)
        fit = None if self.fitted else self.forgetting.begin(policy, read.forget, read.retain, seed=self.seed)
        measure = self.audit(policy, read, Ends(fit), dtype=self.dtype, device=self.device)
        return InterventionWork(policy, fit, measure, self.facts(read))

    def _files(self) -> Files:
        require(bool(self.retain), "is missing", where="--retain", hint="name a file of prompts that are to be kept")
        return self.read()

    def _longest(self, policy: Policy, read: Files) -> int:
        rows = [*self.given(policy, read.forget), *self.given(policy, read.retain)]
        return self.check_lengths(policy, rows)


@dataclass(frozen=True)
class Ends:
    """Says whether a fit is before its first step or after its last."""

    fit: Fit | None

    def __call__(self) -> bool:
        """True there, and where nothing is fitted."""
        return self.fit is None or self.fit.steps in (0, self.fit.num_steps)
