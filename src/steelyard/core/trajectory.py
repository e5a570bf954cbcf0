"""One sampled episode, tokens in and tokens out, and its bytes on the wire."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
from jaxtyping import Bool, Float32, Int32

from steelyard.core.json import JsonMapping, JsonObject
from steelyard.core.moved import earlier_labels

Finish = Literal["stop", "length", "error"]
Number = bool | int | float
LabelValue = Number | tuple[object, ...]
"""A label of a trajectory: one value, or a tuple with a value for each token. See `core.labels`."""
StoredLabel = Number | tuple[Number, ...]
"""The same where it is read from bytes: every value of a tuple is checked."""


@dataclass(frozen=True)
class Prompt:
    """What a task asks: an id, a text or chat messages, and the columns a reward may need.

    A label with axes P is read from `labels` where it stands there (None: the prompt has none), else from the column of
    its name. A task whose columns are somebody else's, such as a file's, says in `labels` what they mean.
    """

    id: str
    text: str | list[dict[str, str]]
    columns: JsonMapping = field(default_factory=dict)
    labels: Mapping[str, LabelValue | None] = field(default_factory=dict)
    place: str = field(default="", compare=False)
    """Where it comes from, for messages: a file and its row."""

    @property
    def where(self) -> str:
        """Its name in a message: its place, else its id."""
        return self.place or f"prompt {self.id!r}"

    def of_label(self, name: str) -> object:
        """The value of a label with axes P; None where the prompt has none."""
        return self.labels[name] if name in self.labels else self.columns.get(name)


@dataclass(frozen=True)
class Sampling:
    """What is done to the logits before a token is drawn.

    temperature 0 is greedy; infinity is uniform over the vocabulary. `max_tokens` bounds the completion (tokens).
    `rule` names a decode rule that chose among continuations: log-probabilities are then not the sample's.
    `stop` are strings that end a completion whose text contains one; `info["stop"]` of a trajectory says which did.

        >>> Sampling(temperature=0.7).full_support, Sampling(top_p=0.9).full_support
        (True, False)
    """

    temperature: float = 1.0
    max_tokens: int = 32
    top_p: float = 1.0
    top_k: int = 0
    rule: str = ""
    stop: tuple[str, ...] = ()

    @property
    def full_support(self) -> bool:
        """True if every token is drawn from the policy's own distribution: no truncation, no decode rule."""
        return self.temperature > 0 and self.top_p == 1.0 and self.top_k == 0 and not self.rule


@dataclass(frozen=True)
class Trajectory:
    """One sampled episode of T tokens, prompt first.

    `action_T` is true where the policy chose the token; log-probabilities (nats) are 0 elsewhere. `reward` is None when
    the verifier failed or has not run: an error is never a reward of 0. `version` and `digest` name the weights that
    sampled it, stamped by the engine that held them; `ref_version` those of the reference behind `logp_ref_T`.
    `sample` counts the samples drawn for this prompt and addresses its randomness.

    Where newer weights came in the middle of an episode, `version` and `digest` are those of the oldest that drew any
    of it, and `version_T` is the version behind each token (the first one's over the prompt); elsewhere it is None.
    """

    prompt_id: str
    tokens_T: Int32[np.ndarray, "T"]
    action_T: Bool[np.ndarray, "T"]
    logp_behaviour_T: Float32[np.ndarray, "T"]
    version: int
    digest: str
    sampling: Sampling
    finish: Finish
    sample: int = 0
    logp_ref_T: Float32[np.ndarray, "T"] | None = None
    ref_version: int = 0
    reward: float | None = None
    reward_parts: Mapping[str, float] = field(default_factory=dict)
    info: JsonMapping = field(default_factory=dict)
    version_T: Int32[np.ndarray, "T"] | None = None
    reward_T: Float32[np.ndarray, "T"] | None = None
    """Rewards or labels of single steps, 0 where there is none; None where nobody looked at steps."""
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    """What else it carries for an objective: registered label -> value."""
    _wire: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """The bytes that it was read from: it passes on as it came. A changed copy has none."""

    @property
    def valid(self) -> bool:
        """True where there is a finite reward to learn from."""
        return self.reward is not None and math.isfinite(self.reward)

    @property
    def completion_T(self) -> np.ndarray:
        """The tokens that the policy chose."""
        return self.tokens_T[self.action_T]

    def replace(self, **changes: object) -> "Trajectory":
        """A copy with some fields changed.

        Raises:
            TypeError: there is no such field.
        """
        if unknown := changes.keys() - self.__dict__.keys():
            raise TypeError(f"a trajectory has no {', '.join(sorted(unknown))}")
        # A sampled trajectory is changed eight times; `dataclasses.replace` goes through all fields for each.
        copy = object.__new__(Trajectory)
        copy.__dict__.update(self.__dict__, _wire=None)
        copy.__dict__.update(changes)
        return copy


Group = list[Trajectory]
"""The trajectories of one prompt."""


class _Wire(msgspec.Struct, array_like=True):
    prompt_id: str
    tokens: bytes
    action: bytes
    logp_behaviour: bytes
    logp_ref: bytes | None
    reward: float | None
    version: int
    digest: str
    ref_version: int
    sample: int
    finish: Finish
    sampling: tuple[float, int, float, int]
    reward_parts: dict[str, float]
    info: JsonObject
    # Rare fields come last and are left out at the end: rows without them keep the bytes of earlier versions.
    versions: bytes | None = None
    step_rewards: bytes | None = None
    rule: str | None = None
    labels: dict[str, StoredLabel] | None = None
    stop: tuple[str, ...] | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def to_bytes(trajectory: Trajectory) -> bytes:
    """Msgpack bytes of a trajectory: what crosses processes and is stored."""
    if trajectory._wire is not None:
        return trajectory._wire
    t = trajectory
    s = trajectory.sampling
    ref = _bytes(t.logp_ref_T, "<f4")
    steps = _bytes(t.reward_T, "<f4")
    versions = _bytes(t.version_T, "<i4")
    fields = (
        t.prompt_id,
        t.tokens_T.astype("<i4").tobytes(),
        np.packbits(t.action_T).tobytes(),
        t.logp_behaviour_T.astype("<f4").tobytes(),
        ref,
        t.reward,
        t.version,
        t.digest,
        t.ref_version,
        t.sample,
        t.finish,
        (s.temperature, s.max_tokens, s.top_p, s.top_k),
        dict(t.reward_parts),
        dict(t.info),
    )
    few = [versions, steps, s.rule or None, dict(t.labels) or None, s.stop or None]
    while few and few[-1] is None:
        few.pop()
    return _encoder.encode((*fields, *few))


def from_bytes(data: bytes) -> Trajectory:
    """The trajectory that `to_bytes` wrote.

    Raises:
        msgspec.DecodeError: the bytes are not a trajectory.
    """
    w = _decoder.decode(data)
    tokens_T = np.frombuffer(w.tokens, "<i4")
    action_T = np.unpackbits(np.frombuffer(w.action, np.uint8), count=len(tokens_T)).view(bool)
    logp_ref_T = _array(w.logp_ref, "<f4")
    reward_T = _array(w.step_rewards, "<f4")
    trajectory = Trajectory(
        w.prompt_id,
        tokens_T,
        action_T,
        np.frombuffer(w.logp_behaviour, "<f4"),
        w.version,
        w.digest,
        Sampling(*w.sampling, rule=w.rule or "", stop=w.stop or ()),
        w.finish,
        w.sample,
        logp_ref_T,
        w.ref_version,
        w.reward,
        w.reward_parts,
        w.info,
        _array(w.versions, "<i4"),
        reward_T,
        earlier_labels(w.info, w.reward_parts) if w.labels is None else w.labels,
    )
    object.__setattr__(trajectory, "_wire", data)
    return trajectory


def _bytes(array: np.ndarray | None, form: str) -> bytes | None:
    return None if array is None else array.astype(form).tobytes()


def _array(data: bytes | None, form: str) -> np.ndarray | None:
    return None if data is None else np.frombuffer(data, form)
