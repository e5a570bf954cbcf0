"""Fit a mixing agent: `steelyard train data-mixing-agent --model PROXY --path questions.jsonl --columns.skill topic`.

First `runs` short runs from the proxy, each on shares of the domains that were drawn at random; then the fit on what
they have shown (`mixing_fit.py`). The run's directory `agent` is what `steelyard train mixed-sft --agent RUN` and
`--curriculum data-mixing-agent --curriculum.agent RUN` draw by, for this model or a larger one. The proxy itself is
written nowhere. One step of the job is a whole run, or a step of the fit.

    eval/drawn@d       share of domain d that the agent draws first
    eval/end_mean      mean over the runs of the share by which losses have fallen at their end; eval/end_best the best
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from steelyard.core import PositiveInt, ShareAboveZero, checked, require
from steelyard.core.json import JsonObject
from steelyard.curriculum import DataMixingAgent
from steelyard.curriculum.arms import targets_of
from steelyard.curriculum.mixing_agent import PRODUCT
from steelyard.curriculum.skill_graph import Losses
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.pretrain.by_skill import BySkill, by_domain, listed, names_of
from steelyard.pretrain.drawn_rows import Plain
from steelyard.pretrain.mixing_fit import MixingFit
from steelyard.pretrain.mixing_runs import Proxies
from steelyard.pretrain.mixing_work import MixingWork
from steelyard.pretrain.skill_it_tuning import told_losses
from steelyard.pretrain.supervised import given_answer
from steelyard.task.answered import Answered


@checked()
@dataclass(frozen=True)
class FitMixingAgent(BySkill):
    """Fit an agent that draws the domains of a file, on short runs of a proxy."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl --columns.skill domain"

    curriculum: Annotated[DataMixingAgent, Plain] = field(default_factory=DataMixingAgent)
    """Targets, and the rows of a round; `agent` stays empty."""
    fit: Annotated[MixingFit, Plain] = field(default_factory=MixingFit)
    """How the agent is fitted on the runs."""
    runs: PositiveInt = 40
    """Short runs of the proxy."""
    rounds: PositiveInt = 12
    """Rounds of each: as often the shares change."""
    drift: ShareAboveZero = 0.3
    """Share of a round's shares that is drawn anew; the rest is that of the round before."""
    max_completion_length: PositiveInt = 1
    """Room for an answer that held-out prompts must leave; nothing is written here."""

    @property
    def product(self) -> str:
        """The directory of the agent."""
        return PRODUCT

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"data mixing agent, fitted on {self.runs} runs of {self.model} on {self.path}"

    def planned(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> JsonObject:
        """The domains by number, and how much the proxy is trained."""
        require(not self.curriculum.agent, "is what is fitted here", where="--agent", hint="leave it out")
        targets_of(self.curriculum.targets, [*by_domain(rows)], "data-mixing-agent")
        return {"skills": listed(rows), "runs": self.runs, "learner_steps": self.runs * self.rounds * self._steps}

    def steps_over(self, examples: int) -> int:
        """Runs and steps of the fit."""
        every = self.runs + self.fit.steps
        return min(self.max_steps or every, every)

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, the proxy, and how many steps there are."""
        found = super().plan()
        return {**found, "steps": {"steps": self.steps_over(0)}}

    def open(self) -> MixingWork:
        """Read the rows and load the proxy."""
        policy = self.policy()
        train, held, notes = self._fitting(policy, *self._read())
        rows, validation = self.set_aside(train)
        numbers = {"train": len(rows), "validation": len(validation), "held_out": len(held)}
        facts = numbers | self.planned(rows, validation) | {"notes": dict(notes)}
        target_D = targets_of(self.curriculum.targets, [*by_domain(rows)], "data-mixing-agent")
        proxies = self._proxies(policy, rows, validation)
        steps = self.steps_over(len(rows))
        return MixingWork(proxies, self.fit, self.runs, target_D, names_of(rows), steps, facts)

    def reopen(self, kept: Path) -> MixingWork:
        """The same: a checkpoint's runs are read where the work is restored."""
        return self.open()

    @property
    def _steps(self) -> int:
        return -(-self.curriculum.round_size // self.batch_size)

    def _proxies(self, policy: Policy, rows: Sequence[Answered], validation: Sequence[Answered]) -> Proxies:
        given = [[given_answer(policy, row) for row in own] for own in by_domain(validation).values()]

        def losses(proxy: Policy) -> Losses:
            return np.array([np.mean([1 - (t.reward or 0.0) for t in told_losses(proxy, own)]) for own in given])

        return Proxies(
            lambda: self.learner(copied(policy), self.objective),
            [row.prompt for row in rows],
            [given_answer(policy, row) for row in rows],
            losses,
            self.rounds,
            self._steps,
            self.batch_size,
            self.drift,
            self.seed,
        )
