"""Episodes: an engine says the policy's turns, and an environment answers them, until one of the two ends the episode.

    tokens_T   observation | turn | observation | turn ...       each token once, as it was sampled or first encoded
    action_T   false         true   false         true

A task without environments is the case of one turn: its prompt is the only observation, and it scores the episode
itself. An episode ends when its environment returns a score; when a turn reaches `max_tokens`, the episode `max_turns`,
or the next turn would not fit the model's context (`finish` is "length" then, `info["cut"]` says which, and the
environment's `truncate` scores it); or when its environment fails (`finish` is "error", and there is no reward).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from steelyard.core import (
    Conversing,
    Engine,
    Environment,
    Episode,
    Interactive,
    Observation,
    Prompt,
    Request,
    Sampling,
    Score,
    SteelyardError,
    Trajectory,
    Truncates,
)
from steelyard.core.copies import own, own_prompt
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.policy import Policy
from steelyard.policy.text import with_turn
from steelyard.rollout.calls import Answer, Calls

Place = tuple[str, int]
"""Prompt id and sample number of an episode."""


@dataclass(frozen=True)
class Codec:
    """How texts become tokens and tokens become text."""

    encode: Callable[[Observation], Sequence[int]]
    decode: Callable[[Sequence[int]], str]
    encode_next: Callable[[list[dict[str, str]] | None, Observation, int], Sequence[int]] | None = None
    """See `Policy.encode_next`; tasks of one turn do without."""
    context: int = 0
    """Tokens that an episode may have."""

    @classmethod
    def of(cls, policy: Policy) -> "Codec":
        """That of a policy."""
        return cls(policy.encode, policy.decode, policy.encode_next, policy.context_length)


@dataclass
class _Play:
    """An episode under way."""

    prompt: Prompt
    sample: int
    environment: Environment | None = None
    messages: list[dict[str, str]] | None = None
    """The chat so far; None where the prompt is plain text."""
    trajectory: Trajectory | None = None
    turns: int = 0
    said: str = ""
    """The policy's last turn."""
    cut: str = ""
    """The limit that ended it."""

    @property
    def place(self) -> Place:
        return self.prompt.id, self.sample


class Episodes:
    """Plays episodes with an engine.

    Args:
        engine: says the policy's turns.
        codec: the policy's texts and tokens.
        task: makes the environments; anything that is not `Interactive` has one turn, and is asked for nothing.
        patient: wait for every answer of an environment before the next token is drawn. Which turns are then drawn
            together does not depend on how fast environments are, so that a run repeats bit for bit.
    """

    def __init__(self, engine: Engine, codec: Codec, task: object = None, *, patient: bool = True) -> None:
        self.engine = engine
        self.codec = codec
        self.task = task if isinstance(task, Interactive) else None
        self.patient = patient
        self._tokens: dict[str, tuple[int, ...]] = {}

    def play(
        self, asked: Sequence[tuple[Prompt, int]], sampling: Sampling, stamp: tuple[int, str] = (0, "")
    ) -> Iterator[Episode]:
        """Play one episode for each prompt and sample number; yields them as they end, in any order.

        Args:
            asked: prompts and sample numbers.
            sampling: of every turn; `max_tokens` bounds a turn.
            stamp: version and digest for an episode whose environment failed before anything was sampled.
        """
        if self.task is None:
            prompts = {prompt.id: prompt for prompt, _ in asked}
            requests = [Request(prompt.id, self._encoded(prompt), sample) for prompt, sample in asked]
            for t in self.engine.generate(requests, sampling):
                yield Episode.of(prompts[t.prompt_id], transcript(t, self.codec.decode), t)
            return
        batch = _Batch(self, self.task, asked, sampling, stamp)
        requests = batch.begin()
        for turn in self._turns(requests, batch, sampling) if requests else ():
            batch.ended(turn)
            yield from batch.finished()
        yield from batch.finished()

    def _turns(self, requests: Sequence[Request], batch: "_Batch", sampling: Sampling) -> Iterator[Trajectory]:
        if isinstance(self.engine, Conversing):
            yield from self.engine.converse(requests, sampling, batch)
            return
        while requests:
            yield from self.engine.generate(requests, sampling)
            requests = batch.take(wait=True, every=True)

    def _encoded(self, prompt: Prompt) -> tuple[int, ...]:
        if prompt.id not in self._tokens:
            self._tokens[prompt.id] = tuple(self.codec.encode(prompt.text))
        return self._tokens[prompt.id]


class _Batch:
    """The episodes of one call, and the `FollowUps` that the engine takes."""

    def __init__(
        self,
        episodes: Episodes,
        task: Interactive,
        asked: Sequence[tuple[Prompt, int]],
        sampling: Sampling,
        stamp: tuple[int, str],
    ) -> None:
        self._codec = episodes.codec
        self._patient = episodes.patient
        self._task = task
        self._sampling = sampling
        self._stamp = stamp
        self._plays = {play.place: play for play in (_Play(prompt, sample) for prompt, sample in asked)}
        self._calls = Calls(task.deadline_s)
        self._finished: list[Episode] = []

    def begin(self) -> list[Request]:
        """Make and reset the environments; the requests for first turns."""
        for place, play in self._plays.items():
            self._calls.begin(place, self._reset, play)
        return [r for answer in self._calls.collect("all") for r in self._first(answer)]

    def _reset(self, play: _Play) -> object:
        prompt = own_prompt(play.prompt)  # the samples of a prompt share it
        play.environment = self._task.environment(prompt, play.sample)
        return play.environment.reset(prompt)

    def _first(self, answer: Answer) -> list[Request]:
        play = self._plays[answer.key]  # pyright: ignore[reportArgumentType]
        first = own(answer.value)  # an environment may go on with its messages
        if answer.error is None and isinstance(first, str | list):
            play.messages = first if isinstance(first, list) else None
            tokens = tuple(self._codec.encode(first))
            if self._fits(tokens):
                return [Request(*play.place[:1], tokens, play.sample)]
            self._fail(play, f"its first observation has {len(tokens)} tokens, too many for the model's context")
            return []
        self._fail(play, answer.error or f"reset returned {type(first).__name__}, which is no observation")
        return []

    def ended(self, turn: Trajectory) -> None:
        """A turn of the policy has ended: ask its environment what follows."""
        play = self._plays[turn.prompt_id, turn.sample]
        before = 0 if play.trajectory is None else len(play.trajectory.tokens_T)
        play.trajectory = turn if play.trajectory is None else joined(play.trajectory, turn)
        play.turns += 1
        said = self._codec.decode([int(t) for t in turn.tokens_T[before:][turn.action_T[before:]]])
        play.said = before_stop(said, turn)
        assert play.environment is not None
        if turn.finish == "error":
            self._fail(play, str(turn.info.get("error", "its generation failed")))
        elif turn.finish == "length":
            self._cut(play, "max_tokens", play.said)
        else:
            self._calls.begin(play.place, play.environment.step, play.said)

    def open(self, prompt_id: str, sample: int) -> bool:
        """Whether the episode may still go on."""
        return (prompt_id, sample) in self._plays

    def take(self, *, wait: bool, every: bool = False) -> list[Request]:
        """Requests for next turns; with `wait`, none means that all episodes have ended."""
        requests: list[Request] = []
        while len(self._calls):
            until = "all" if self._patient or every else "one" if wait and not requests else "now"
            answers = self._calls.collect(until)
            requests += [r for answer in answers for r in self._next(answer)]
            if not answers or (requests and until == "one"):
                break
        return requests

    def finished(self) -> list[Episode]:
        """The episodes that have ended since the last call."""
        ended = self._finished
        self._finished = []
        return ended

    def _next(self, answer: Answer) -> list[Request]:
        play = self._plays[answer.key]  # pyright: ignore[reportArgumentType]
        told = answer.value if isinstance(answer.value, Score) else own(answer.value)
        if answer.error is not None:
            self._fail(play, answer.error)
        elif isinstance(told, Score):
            self._finish(play, told)
        elif play.cut or not isinstance(told, str | list):
            self._fail(play, f"it returned {type(told).__name__}, which is neither an observation nor a Score")
        elif play.turns >= self._task.max_turns:
            self._cut(play, "max_turns")
        else:
            return self._go_on(play, told)
        return []

    def _go_on(self, play: _Play, told: Observation) -> list[Request]:
        t = play.trajectory
        assert t is not None and self._codec.encode_next is not None
        try:
            observed = self._codec.encode_next(play.messages, told, int(t.tokens_T[-1]))
        except SteelyardError as error:
            self._fail(play, str(error))
            return []
        tokens = (*t.tokens_T.tolist(), *observed)
        if not self._fits(tokens):
            self._cut(play, "context")
            return []
        if play.messages is not None:
            after = [{"role": "user", "content": told}] if isinstance(told, str) else told
            play.messages = [*with_turn(play.messages, play.said), *after]
        return [Request(play.prompt.id, tokens, play.sample, play.turns)]

    def _fits(self, tokens: Sequence[int]) -> bool:
        return len(tokens) + self._sampling.max_tokens <= self._codec.context

    def _cut(self, play: _Play, limit: str, unseen: str = "") -> None:
        """A limit has ended the episode: have its environment score it as it stands, with a turn it has not seen."""
        play.cut = limit
        if isinstance(play.environment, Truncates):
            self._calls.begin(play.place, play.environment.truncate, unseen)
        else:
            what = f"{limit} ended it, and its environment has no `truncate` to score that"
            self._finish(play, Score(None, error=what))

    def _fail(self, play: _Play, error: str) -> None:
        what = f"environment: {error}"
        t = play.trajectory or self._unsampled(play.prompt, play.sample)
        play.trajectory = t.replace(finish="error", info={**t.info, "error": what})
        self._finish(play, Score(None, error=what))

    def _unsampled(self, prompt: Prompt, sample: int) -> Trajectory:
        """An episode that ended before its first turn."""
        tokens_T = np.array(self._codec.encode(prompt.text), np.int32)
        none_T = np.zeros(len(tokens_T), np.float32)
        return Trajectory(prompt.id, tokens_T, none_T > 0, none_T, *self._stamp, self._sampling, "error", sample)

    def _finish(self, play: _Play, score: Score) -> None:
        t = play.trajectory
        assert t is not None
        if play.cut and t.finish != "error":
            t = t.replace(finish="length", info={**t.info, "cut": play.cut})
        t = t.replace(info={**t.info, "turns": play.turns})
        del self._plays[play.place]
        self._finished.append(Episode.of(play.prompt, transcript(t, self._codec.decode), t, score))


def joined(before: Trajectory, turn: Trajectory) -> Trajectory:
    """An episode with one more turn. `turn` has the whole episode as tokens, and its own actions alone.

    Version and digest stay those of the first turn; where another version drew the new one, `version_T` says so.
    """
    T = len(before.tokens_T)
    alike = before.version_T is None and turn.version_T is None and before.digest == turn.digest
    versions = None if alike else np.concatenate([_versions(before), _versions(turn)[T:]])
    return turn.replace(
        action_T=np.concatenate([before.action_T, turn.action_T[T:]]),
        logp_behaviour_T=np.concatenate([before.logp_behaviour_T, turn.logp_behaviour_T[T:]]),
        version=before.version,
        digest=before.digest,
        version_T=versions,
        info=_summed({name: value for name, value in before.info.items() if name != "stop"}, turn.info),
    )


def _versions(t: Trajectory) -> np.ndarray:
    return np.full(len(t.tokens_T), t.version, np.int32) if t.version_T is None else t.version_T


def _summed(a: JsonMapping, b: JsonMapping) -> JsonObject:
    """What an engine counted, over both."""
    both = {name: a[name] + b[name] for name in a.keys() & b.keys() if isinstance(a[name], int)}
    return {**a, **b, **both}


def transcript(trajectory: Trajectory, decode: Callable[[Sequence[int]], str]) -> str:
    """The text of all that follows the first observation: the policy's turns, and what it was told between them.

    It ends before the stop string that ended the last turn.
    """
    text = decode(trajectory.tokens_T[_begin(trajectory) :].tolist())
    if not trajectory.info.get("stop"):
        return text
    last = decode(trajectory.tokens_T[_last_turn(trajectory) :].tolist())
    return text[: len(text) - len(last) + len(before_stop(last, trajectory))]


def before_stop(said: str, turn: Trajectory) -> str:
    """What was said in a turn, without the stop string that ended it and what its last token holds beyond."""
    stop = turn.info.get("stop")
    return said.partition(str(stop))[0] if stop else said


def _last_turn(trajectory: Trajectory) -> int:
    """Where the last run of actions begins."""
    (others,) = np.nonzero(~trajectory.action_T)
    return int(others[-1]) + 1 if len(others) else 0


@dataclass(frozen=True)
class Said:
    """A part of an episode: a turn of the policy, or what its environment answered."""

    by: str
    text: str = field(repr=False)


def turns_of(trajectory: Trajectory, decode: Callable[[Sequence[int]], str]) -> list[Said]:
    """What followed the first observation, turn by turn; the last one without the stop string that ended it."""
    start = _begin(trajectory)
    action_T = trajectory.action_T[start:]
    (ends,) = np.nonzero(action_T[1:] != action_T[:-1])
    parts = zip([0, *(ends + 1).tolist()], [*(ends + 1).tolist(), len(action_T)], strict=True)
    tokens = trajectory.tokens_T[start:].tolist()
    said = [Said("policy" if action_T[a] else "environment", decode(tokens[a:b])) for a, b in parts if b > a]
    return [*said[:-1], replace(said[-1], text=before_stop(said[-1].text, trajectory))] if said else []


def _begin(trajectory: Trajectory) -> int:
    """Where the first action is; the length where there is none."""
    action_T = trajectory.action_T
    return int(action_T.argmax()) if action_T.any() else len(action_T)
