"""The words every room speaks: trajectory, batch, method card, registry, seeds, errors, protocols."""

from steelyard.core.batch import Batch, Loss
from steelyard.core.config import decode, encode
from steelyard.core.errors import FaultError, StallError, SteelyardError, Stopped, require, suggest
from steelyard.core.limits import (
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    PositiveOrInf,
    Share,
    ShareAboveZero,
    ShareBelowOne,
    checked,
)
from steelyard.core.method import Card, cards, find, id_of, method, settings
from steelyard.core.padding import Padded, pad, pad_stack
from steelyard.core.protocols import (
    Curriculum,
    Engine,
    Episode,
    Replay,
    Request,
    Reward,
    Score,
    Task,
    WeightStore,
)
from steelyard.core.schedule import LinearSchedule, WarmupStableDecay
from steelyard.core.seeds import derive, hash_share, rng, uniforms
from steelyard.core.trajectory import Finish, Prompt, Sampling, Trajectory, from_bytes, to_bytes
from steelyard.core.weights import Weights, digest_of

__all__ = [
    "Batch",
    "Card",
    "Curriculum",
    "Engine",
    "Episode",
    "FaultError",
    "Finish",
    "LinearSchedule",
    "Loss",
    "NonNegative",
    "NonNegativeInt",
    "Padded",
    "Positive",
    "PositiveInt",
    "PositiveOrInf",
    "Prompt",
    "Replay",
    "Request",
    "Reward",
    "Sampling",
    "Score",
    "Share",
    "ShareAboveZero",
    "ShareBelowOne",
    "StallError",
    "SteelyardError",
    "Stopped",
    "Task",
    "Trajectory",
    "WarmupStableDecay",
    "WeightStore",
    "Weights",
    "cards",
    "checked",
    "decode",
    "derive",
    "digest_of",
    "encode",
    "find",
    "from_bytes",
    "hash_share",
    "id_of",
    "method",
    "pad",
    "pad_stack",
    "require",
    "rng",
    "settings",
    "suggest",
    "to_bytes",
    "uniforms",
]
