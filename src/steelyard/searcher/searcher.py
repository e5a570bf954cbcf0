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
from dataclasses import dataclass, replace
from typing import TypeVar

from steelyard.core import Episode, Prompt, Request, Reward, Sampling, Trajectory, Weights, WeightStore, labels_of
from steelyard.core.protocols import Engine
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.rollout.episodes import Codec, Episodes
from steelyard.searcher.logp_mismatch import LogpMismatch, probe
from steelyard.searcher.scoring import attach_scores, scores_of
from steelyard.searcher.step_labels import StepLabels
from steelyard.searcher.temperature_schedule import TemperatureSchedule
from steelyard.searcher.text_parts import with_parts_placed

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
        temperature_schedule: varies the temperature from batch to batch; None never does.
        task: makes the environments of episodes with several turns; see `steelyard.rollout.episodes`.
        patient: wait for environments in a way that makes batches repeat bit for bit.
        labels: names of the labels that the prompts' columns give to their trajectories.
        step_labels: labels single steps; None where nothing but the verifier does.
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
        task: object = None,
        patient: bool = True,
        labels: Sequence[str] = (),
        step_labels: StepLabels | None = None,
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
        self.labels = tuple(labels)
        self.step_labels = step_labels
        self.held: Weights | None = None
        self.reference = references.read()
        self.logp_mismatch: LogpMismatch | None = None
        """The gauge of the latest batch; None before the first, and where there was nothing to compare."""
        self._newer: set[str] = set()
        """Digests of weights that came in the middle of the batch."""
        self._episodes = Episodes(engine, Codec.of(policy), task, patient=patient)

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
        for number, episodes in enumerate(_chunks(self._play(assignments, held), self.chunk)):
            if number == 0:
                found = [e.trajectory for e in episodes]
                self.logp_mismatch = probe(self.policy, held, found, self.max_logp_mismatch, self._newer)
            yield self._finish(episodes)
        if self.delay:  # a sleep of 0 gives the core away
            time.sleep(self.delay)

    def _play(self, assignments: Sequence[Assignment], held: Weights) -> Iterator[Episode]:
        asked = [(self.prompts[a.prompt], a.sample) for a in assignments]
        sampling = self.sampling
        if self.temperature_schedule is not None:
            sampling = self.temperature_schedule.of(sampling, [Request(p.id, (), s) for p, s in asked[:1]])
        for episode in self._episodes.play(asked, sampling, (held.version, held.digest)):
            yield episode
            if self.in_flight:
                self._newer.add(self.refresh().digest)

    def _finish(self, episodes: Sequence[Episode]) -> list[Trajectory]:
        """Add reference log-probabilities, the text and the score."""
        referred = reference_logp(self.policy, self.reference, [e.trajectory for e in episodes], self.temperature)
        known = [replace(e, trajectory=self._named(t, e)) for e, t in zip(episodes, referred, strict=True)]
        trajectories = [e.trajectory for e in known]
        if self.score is not None:
            pairs = zip(trajectories, scores_of(known, self.score), strict=True)
            placed = [with_parts_placed(t, score, self.policy.decode) for t, score in pairs]
            trajectories = attach_scores(trajectories, placed)
        return trajectories if self.step_labels is None else self.step_labels(trajectories, known, self.policy.decode)

    def _named(self, t: Trajectory, episode: Episode) -> Trajectory:
        """The trajectory with its text and the labels that its prompt's columns give."""
        labels = {**t.labels, **labels_of(episode.prompt, self.labels)}
        return t.replace(info={**t.info, "completion": episode.completion}, labels=labels)


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk
