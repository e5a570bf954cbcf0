"""A searcher: takes the newest weights, generates, adds reference log-probabilities and rewards, hands on.

It never waits for the learner. What it yields has left the engine at most `chunk` trajectories ago: they are scored
together, since a forward pass of the reference for every single one would cost more than the wait.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from steelyard.core import Episode, Prompt, Request, Sampling, Score, Trajectory, Weights, WeightStore
from steelyard.core.protocols import Engine
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp

Scorer = Callable[[Sequence[Episode]], list[Score]]


@dataclass(frozen=True)
class Assignment:
    """One sample to draw: the prompt's place in the task's training prompts, and the sample's number."""

    prompt: int
    sample: int


class Searcher:
    """Turns assignments into scored trajectories.

    Args:
        engine: generates with `policy`'s weights.
        policy: the model, also used for the reference's log-probabilities.
        prompts: the training prompts that assignments point into.
        score: the verifier; None leaves rewards to the receiver, who finds the text in `info["completion"]`.
        weights: where the policy's weights are published.
        references: where the reference's weights are published.
        sampling: how the searcher samples.
        temperature: of the policy and reference distributions that the objective compares.
        chunk: trajectories that are scored together.
    """

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        prompts: Sequence[Prompt],
        score: Scorer | None,
        *,
        weights: WeightStore,
        references: WeightStore,
        sampling: Sampling,
        temperature: float,
        chunk: int = 64,
    ) -> None:
        self.engine, self.policy, self.prompts, self.score = engine, policy, prompts, score
        self.weights, self.references = weights, references
        self.sampling, self.temperature, self.chunk = sampling, temperature, chunk
        self.held: Weights | None = None
        self.reference = references.read()
        self._tokens: dict[int, tuple[int, ...]] = {}

    def refresh(self) -> int:
        """Take newer weights if there are any; returns the version held."""
        if self.held is None or self.weights.newest() != self.held.version:
            self.held = self.weights.read()
            self.engine.load(self.held)
        if self.references.newest() != self.reference.version:
            self.reference = self.references.read()
        return self.held.version

    def search(self, assignments: Sequence[Assignment]) -> Iterator[list[Trajectory]]:
        """Generate the assigned samples; yields scored trajectories as they finish, in chunks."""
        self.refresh()
        places = {self.prompts[a.prompt].id: a.prompt for a in assignments}
        requests = [Request(self.prompts[a.prompt].id, self._encode(a.prompt), a.sample) for a in assignments]
        ready: list[Trajectory] = []
        for trajectory in self.engine.generate(requests, self.sampling):
            ready.append(trajectory)
            if len(ready) == self.chunk:
                yield self._finish(ready, places)
                ready = []
        if ready:
            yield self._finish(ready, places)

    def _encode(self, prompt: int) -> tuple[int, ...]:
        if prompt not in self._tokens:
            self._tokens[prompt] = tuple(self.policy.encode(self.prompts[prompt].text))
        return self._tokens[prompt]

    def _finish(self, trajectories: list[Trajectory], places: dict[str, int]) -> list[Trajectory]:
        trajectories = reference_logp(self.policy, self.reference, trajectories, self.temperature)
        episodes = [
            Episode(self.prompts[places[t.prompt_id]], self.policy.decode(t.completion_T), t) for t in trajectories
        ]
        if self.score is None:
            return [
                t.replace(info={**t.info, "completion": e.completion})
                for t, e in zip(trajectories, episodes, strict=True)
            ]
        return [scored(t, s) for t, s in zip(trajectories, self.score(episodes), strict=True)]


def scored(trajectory: Trajectory, score: Score) -> Trajectory:
    """The trajectory with its verifier's answer; a failure leaves the reward absent and says why in `info`."""
    info = trajectory.info if score.error is None else {**trajectory.info, "error": score.error}
    return trajectory.replace(reward=score.value, reward_parts=dict(score.parts), info=info)
