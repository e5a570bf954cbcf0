"""The work of fitting a mixing agent: short runs of a proxy, each a step, then the steps of the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core.json import JsonMapping, JsonObject
from steelyard.curriculum.mixing_agent import MixingAgent, new_actor, scores
from steelyard.learner.fitting import TENSORS, Fitting
from steelyard.pretrain.kept_file import read_kept
from steelyard.pretrain.mixing_fit import ActorCritic, MixedRun, MixingFit, best_of
from steelyard.pretrain.mixing_runs import Proxies

RUNS = "runs.json"


@dataclass
class MixingWork:
    """A `Work`: a checkpoint keeps the runs that were made, and the fit."""

    proxies: Proxies
    fit: MixingFit
    num_runs: int
    """Runs to make."""
    target_D: Float64[np.ndarray, "D"]
    names: Mapping[int, str]
    """The domain of each number, in the order of the numbers."""
    num_steps: int
    """Steps to make in all."""
    facts: JsonMapping
    """The data in numbers."""
    runs: list[MixedRun] = field(default_factory=list)
    """Runs that are made."""
    fitting: Fitting | None = None
    """The fit, once all runs are made."""

    @property
    def steps(self) -> int:
        """Runs and steps of the fit."""
        return len(self.runs) + (0 if self.fitting is None else self.fitting.steps)

    def step(self) -> JsonObject:
        """Make the next run, or the next step of the fit."""
        if len(self.runs) < self.num_runs:
            self.runs.append(self.proxies.run(len(self.runs)))
            return {"mixing/end": float(scores(self.runs[-1].losses, self.target_D)[-1])}
        return {"learner/loss": self._begun().step()}

    def agent(self) -> MixingAgent:
        """The agent as it is."""
        module = None if self.fitting is None else self.fitting.module
        actor = module.actor if isinstance(module, ActorCritic) else new_actor(0)
        return MixingAgent(actor, self.proxies.rounds)

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """How well the runs end, and what the agent would draw first and in the place of the best of them."""
        share_D = self.agent().shares([], [], self.target_D)
        row = {f"eval/drawn@{name}": float(one) for name, one in zip(self.names.values(), share_D, strict=True)}
        if not self.runs:
            return row, []
        ends = [float(scores(run.losses, self.target_D)[-1]) for run in self.runs]
        [best, *_] = best_of(self.runs, self.target_D, 1.0)
        row |= {"eval/end_mean": float(np.mean(ends)), "eval/end_best": ends[best]}
        return row, self._beside(self.runs[best])

    def _beside(self, run: MixedRun) -> list[JsonObject]:
        agent = self.agent()
        rows: list[JsonObject] = []
        for t, drawn in enumerate(run.shares):
            said = agent.shares(run.shares[:t], run.losses[: t + 1], self.target_D).tolist()
            losses = f"round {t}: losses {self._told(run.losses[t])}; the run drew {self._told(drawn)}"
            rows.append({"prompt": losses, "completion": self._told(said)})
        return rows

    def _told(self, numbers: Sequence[float]) -> str:
        return ", ".join(f"{name} {number:.3f}" for name, number in zip(self.names.values(), numbers, strict=True))

    def save(self, directory: Path) -> None:
        """Write the runs, and the fit once it has begun."""
        (directory / RUNS).write_bytes(msgspec.json.encode(self.runs))
        if self.fitting is not None:
            self.fitting.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing or damaged.
        """
        self.runs = read_kept(directory / RUNS, list[MixedRun])
        if (directory / TENSORS).exists():
            self._begun().restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write the agent."""
        self.agent().save(directory)

    def close(self) -> None:
        """There are no child processes."""

    def _begun(self) -> Fitting:
        if self.fitting is None:
            self.fitting = self.fit.begin(self.runs, self.target_D, self.proxies.seed)
        return self.fitting
