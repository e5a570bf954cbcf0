"""A searcher: takes the newest weights, generates, adds reference log-probabilities and rewards, hands on.

It never waits for the learner. What it yields has left the engine at most `chunk` trajectories ago: they are scored
together, since a forward pass of the reference for every single one would cost more than the wait. The first chunk of
every batch is compared with the learner's code before it is handed on (see `logp_mismatch.py`).

In flight, it looks for newer weights after each trajectory that finishes, and gives them to the engine while the rest
of the batch is still being drawn.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from steelyard.core import Episode, Prompt, Request, Reward, Sampling, Trajectory, Weights, WeightStore
from steelyard.core.protocols import Engine
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.searcher.logp_mismatch import LogpMismatch, probe
from steelyard.searcher.scoring import attach_scores
from steelyard.searcher.temperature_schedule import TemperatureSchedule

T = TypeVar("T")


@dataclass(frozen=True)
class Assignment:
    """One sample to draw: the prompt's place in the task's training prompts, and the sample's number."""

    prompt: int
    sample: int


class Searcher:
    """Turns assignments into scored trajectories.

    Args:
        engine: generates with `policy`'s weights.
        policy: the model, also used for the reference's log-probabilities and the mismatch probe.
        prompts: the training prompts that assignments point into.
        score: the verifier; None leaves rewards to the receiver, who finds the text in `info["completion"]`.
        weights: where the policy's weights are published.
        references: where the reference's weights are published.
        sampling: how the searcher samples.
        temperature: of the policy and reference distributions that the objective compares.
        chunk: trajectories that are scored together.
        max_logp_mismatch: largest mean difference of log-probabilities, engine to learner (nats per token).
        in_flight: take newer weights in the middle of a batch too.
        delay: seconds to wait after each batch.
        heat: varies the temperature from batch to batch; None never does.
    """

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        prompts: Sequence[Prompt],
        score: Reward | None,
        *,
        weights: WeightStore,
        references: WeightStore,
        sampling: Sampling,
        temperature: float,
        chunk: int = 64,
        max_logp_mismatch: float = 0.05,
        in_flight: bool = False,
        delay: float = 0.0,
        temperature_schedule: TemperatureSchedule | None = None,
    ) -> None:
        self.engine = engine
        self.policy = policy
        self.prompts = prompts
        self.score = score
        self.weights = weights
        self.references = references
        self.sampling = sampling
        self.temperature = temperature
        self.chunk = chunk
        self.max_logp_mismatch = max_logp_mismatch
        self.in_flight = in_flight
        self.delay = delay
        self.temperature_schedule = temperature_schedule
        self.held: Weights | None = None
        self.reference = references.read()
        self.logp_mismatch: LogpMismatch | None = None
        """The gauge of the latest batch; None before the first, and where there was nothing to compare."""
        self._newer: set[str] = set()
        """Digests of weights that came in the middle of the batch."""
        self._tokens: dict[int, tuple[int, ...]] = {}

    def refresh(self) -> Weights:
        """Take newer weights if there are any; returns the weights held."""
        if self.held is None or self.weights.newest() != self.held.version:
            self.held = self.weights.read()
            self.engine.load(self.held)
        if self.references.newest() != self.reference.version:
            self.reference = self.references.read()
        return self.held

    def search(self, assignments: Sequence[Assignment]) -> Iterator[list[Trajectory]]:
        """Generate the assigned samples; yields scored trajectories as they finish, in chunks.

        Raises:
            FaultError: engine and learner disagree by more than the bound; nothing of the batch has been yielded.
        """
        held = self.refresh()
        self._newer.clear()
        places = {self.prompts[a.prompt].id: a.prompt for a in assignments}
        requests = [Request(self.prompts[a.prompt].id, self._encode(a.prompt), a.sample) for a in assignments]
        for number, trajectories in enumerate(_chunks(self._generate(requests), self.chunk)):
            if number == 0:
                self.logp_mismatch = probe(self.policy, held, trajectories, self.max_logp_mismatch, self._newer)
            yield self._finish(trajectories, places)
        time.sleep(self.delay)

    def _generate(self, requests: Sequence[Request]) -> Iterator[Trajectory]:
        sampling = (
            self.temperature_schedule.of(self.sampling, requests)
            if self.temperature_schedule is not None
            else self.sampling
        )
        for trajectory in self.engine.generate(requests, sampling):
            yield trajectory
            if self.in_flight:
                self._newer.add(self.refresh().digest)

    def _encode(self, prompt: int) -> tuple[int, ...]:
        if prompt not in self._tokens:
            self._tokens[prompt] = tuple(self.policy.encode(self.prompts[prompt].text))
        return self._tokens[prompt]

    def _finish(self, trajectories: list[Trajectory], places: dict[str, int]) -> list[Trajectory]:
        referred = reference_logp(self.policy, self.reference, trajectories, self.temperature)
        prompts = [self.prompts[places[t.prompt_id]] for t in referred]
        trajectories = [
            t.replace(info={**t.info, "completion": self.policy.decode(t.completion_T), **_domain(prompt)})
            for t, prompt in zip(referred, prompts, strict=True)
        ]
        if self.score is None:
            return trajectories
        pairs = zip(prompts, trajectories, strict=True)
        return attach_scores(
            trajectories, self.score([Episode(prompt, t.info["completion"], t) for prompt, t in pairs])
        )


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _domain(prompt: Prompt) -> dict[str, int]:
    """The number of a prompt's domain goes with its trajectories, for objectives that treat domains differently."""
    return {"domain": int(prompt.columns["domain"])} if "domain" in prompt.columns else {}
