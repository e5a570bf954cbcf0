"""The interfaces by which rooms meet without importing each other."""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from steelyard.core.json import JsonMapping
from steelyard.core.trajectory import LabelValue, Prompt, Sampling, Trajectory
from steelyard.core.weights import Weights

Observation = str | list[dict[str, str]]
"""What the policy reads next: a text, or chat messages."""


@dataclass(frozen=True)
class Score:
    """A verifier's answer. `value` is None when the verifier failed; `error` then says how.

    `reward_T` has a reward or label for single steps, as long as the trajectory's tokens and 0 where there is none.
    `labels` are what the verifier adds to the trajectory's labels, such as `passes` where judges looked at it.
    `read` is what the verifier took for the completion's answer, None where it took nothing or compares no answer;
    `read_from` says where it stood: "box", "marker", "text", ...
    `right` says whether the answer is right where `value` alone does not tell, since it also pays for other things.
    `part_rewards` are what a verifier that reads text says instead of `reward_T`: of each part of the completion, in
    order, the characters up to its end and its reward, which is not 0. None is the completion's own end, with the token
    that ends it. A searcher places them in `reward_T`.
    """

    value: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    reward_T: Float32[np.ndarray, "T"] | None = None
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    read: str | None = None
    read_from: str = ""
    right: bool | None = None
    part_rewards: tuple[tuple[int | None, float], ...] = ()
    info: JsonMapping = field(default_factory=dict)
    """What else the verifier says of the episode, for whoever looks at it later; kept in the trajectory's `info`."""


Ending = Literal["stop", "length"]
"""How a completion ended: by itself, or at a limit."""


@dataclass(frozen=True)
class Episode:
    """A finished trajectory as a verifier sees it: the prompt, the completion's text, and the trajectory itself.

    Of an episode of several turns, `completion` is everything after the first observation: what the policy said and
    what it was told.
    """

    prompt: Prompt
    completion: str
    trajectory: Trajectory
    outcome: Score | None = None
    """What the episode's environment said at its end; None where scoring is left to the task."""
    finish: Ending | None = None
    """How the completion ended; None where nobody knows, or where it failed."""

    @classmethod
    def of(cls, prompt: Prompt, completion: str, trajectory: Trajectory, outcome: Score | None = None) -> "Episode":
        """The episode of a trajectory, which knows how it ended."""
        finish = None if trajectory.finish == "error" else trajectory.finish
        return cls(prompt, completion, trajectory, outcome, finish)

    @classmethod
    def written(cls, prompt: Prompt, completion: str, finish: Ending = "length") -> "Episode":
        """The episode of a text without its tokens, of which there are none.

        >>> Episode.written(Prompt("p", "1+1="), "2").completion
        '2'
        """
        none_T = np.zeros(0, np.float32)
        tokens_T = none_T.astype(np.int32)
        trajectory = Trajectory(prompt.id, tokens_T, none_T.astype(bool), none_T, 0, "", Sampling(), finish)
        return cls.of(prompt, completion, trajectory)


def outcomes(episodes: Sequence[Episode]) -> list[Score]:
    """The scores that the environments gave: the `score` of a task whose environments score."""
    missing = Score(None, error="its environment gave no score")
    return [missing if episode.outcome is None else episode.outcome for episode in episodes]


@runtime_checkable
class Environment(Protocol):
    """What the policy acts in, for one episode. Both methods may be coroutine functions.

    `reset` is called once, then `step` after each turn of the policy until it returns a `Score`. Each call has the
    task's `deadline_s`. An exception, or a call that is late, ends the episode without a reward.
    """

    def reset(self, prompt: Prompt) -> Observation | Awaitable[Observation]:
        """The first observation, usually the prompt's text."""
        ...

    def step(self, completion: str) -> Observation | Score | Awaitable[Observation | Score]:
        """The observation that follows a turn of the policy, or the end of the episode with its score."""
        ...


@runtime_checkable
class Truncates(Protocol):
    """An environment that can score an episode which a limit ended: a turn, all turns or the context were too long.

    Without this method such an episode has no reward.
    """

    def truncate(self, completion: str) -> Score:
        """The score of the episode as it stands; `completion` is the turn that no `step` has seen, or else empty."""
        ...


@runtime_checkable
class Reward(Protocol):
    """Scores finished episodes; one `Score` for each, in order. Never raises for a bad completion."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """The scores."""
        ...


@runtime_checkable
class Task(Protocol):
    """Prompts with ids, and how completions are scored."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of `split`, "train" or "held-out", in a fixed order. The splits share no prompt."""
        ...

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One `Score` for each episode, in order."""
        ...


@runtime_checkable
class Stops(Protocol):
    """A task that says where its completions end, unless the run does."""

    @property
    def stop(self) -> Sequence[str]:
        """Strings that end a completion."""
        ...


@runtime_checkable
class Interactive(Protocol):
    """A task whose episodes have several turns: each is played in an environment of its own.

    Its `score` is usually `outcomes`, and is not asked about an episode that ended in an error.
    """

    @property
    def max_turns(self) -> int:
        """Turns that the policy has at most in an episode."""
        ...

    @property
    def deadline_s(self) -> float:
        """Seconds that an environment may take for each answer."""
        ...

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """A new environment. Randomness of its own belongs at the address (prompt.id, sample)."""
        ...


@runtime_checkable
class VerifiesTurns(Protocol):
    """A task that asks a verifier about parts of an episode: its turns, or proposals within one generation.

    A reward that a run names takes that verifier's place, and so is shown single parts, never a whole episode.
    """

    def verified_by(self, reward: Reward) -> "Task":
        """The same task with `reward` as its verifier."""
        ...


@dataclass(frozen=True)
class Request:
    """One completion to generate: the tokens before it, and the address of its randomness.

    In the first turn the tokens are the prompt's; later they are the whole episode so far, observations included.
    """

    prompt_id: str
    tokens: tuple[int, ...]
    sample: int
    turn: int = 0

    @property
    def address(self) -> tuple[int | str, ...]:
        """Names this completion among all others of a run: its tokens are drawn by it."""
        first = ("sample", self.prompt_id, self.sample)
        return (*first, "turn", self.turn) if self.turn else first


@runtime_checkable
class Engine(Protocol):
    """Turns prompts into trajectories, and stamps them with the version and digest of the weights it holds."""

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on."""
        ...

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it finishes, in any order, with behaviour log-probabilities."""
        ...


@runtime_checkable
class FollowUps(Protocol):
    """Further turns of the episodes that an engine is generating: it takes them between two steps."""

    def take(self, *, wait: bool) -> Sequence[Request]:
        """Requests that go on with episodes of the batch. With `wait`, none means that all episodes have ended."""
        ...

    def open(self, prompt_id: str, sample: int) -> bool:
        """Whether the episode may still go on."""
        ...


@runtime_checkable
class Conversing(Protocol):
    """An engine that keeps what it knows of an episode from turn to turn. Others read the whole episode again."""

    def converse(self, requests: Sequence[Request], sampling: Sampling, follow_ups: FollowUps) -> Iterator[Trajectory]:
        """Yield one trajectory per turn as it ends, first of the requests, then of those that follow."""
        ...


@runtime_checkable
class WeightStore(Protocol):
    """Where the learner publishes and searchers look. Publishing never blocks."""

    def publish(self, weights: Weights) -> None:
        """Make these the newest weights."""
        ...

    def newest(self) -> int:
        """The newest visible version."""
        ...

    def read(self) -> Weights:
        """The newest visible weights, whole."""
        ...


@runtime_checkable
class Replay(Protocol):
    """The store between searchers and learner; owns what is admitted, selected and evicted."""

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories arriving while the learner is at `version`; returns how many were admitted."""
        ...

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """Groups for the learner's step at `version`, or None if it must wait. `draw` addresses the randomness."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Size and counters, named `replay/...`."""
        ...

    def publish(self, version: int, digest: str) -> None:
        """Enter weights into the ledger; from the first entry on, data of other weights is refused."""
        ...

    def knows(self, trajectory: Trajectory) -> bool:
        """Whether the ledger has the weights that sampled this under its digest; true while the ledger is empty."""
        ...

    def newest_version(self) -> int | None:
        """The highest version in the ledger."""
        ...

    def state(self) -> Mapping[str, object]:
        """All that a resume needs beside the file; what it describes is on disk when this returns."""
        ...

    def restore(self, state: JsonMapping | None, *, keep_later: bool) -> None:
        """Go back to `state` (None: the beginning); with `keep_later`, data accepted since then stays."""
        ...

    def admitted_since(self, state: Mapping[str, object] | None) -> list[tuple[str, int]]:
        """(prompt id, sample) of all that was accepted after `state`."""
        ...

    def forget(self, state: Mapping[str, object]) -> None:
        """Give back the room of what was removed before `state`: no kept checkpoint needs it."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@runtime_checkable
class Curriculum(Protocol):
    """Chooses which prompts are searched next. A method of the room gives one by `open(prompts, seed)`."""

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts, in the sequence that it was opened on."""
        ...

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Take note of what was found: new trajectories with their scores, each told once and never from replay.

        The samples of a prompt that were handed out together come in one call, however they arrived.
        """
        ...

    def state(self) -> Mapping[str, object]:
        """All that a resume needs."""
        ...

    def restore(self, state: JsonMapping) -> None:
        """Go on from a `state`."""
        ...
