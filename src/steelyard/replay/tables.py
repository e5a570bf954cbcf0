"""Convert trajectories to an Arrow table and back, without loss.

One row per trajectory; lists have one element per step (T). `arrived` is the learner version at arrival, `info` and
`labels` are JSON, and each sampling setting is a column. `step_version` is null if one version sampled all tokens,
`step_reward` if there are no step rewards, `rule` if there was no decode rule, `stop` if there were no stop strings,
`labels` if there are no labels. Tables of older versions lack these five columns.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa

from steelyard.core import Finish, LabelValue, Sampling, SteelyardError, Trajectory, require
from steelyard.core.json import JsonObject
from steelyard.core.moved import earlier_labels
from steelyard.core.trajectory import StoredLabel
from steelyard.replay.admission import check_finite

Arrival = tuple[int, Trajectory]
"""(learner version at arrival, trajectory)."""

_STEPS = {
    "tokens": pa.int32(),
    "action": pa.bool_(),
    "logp_behaviour": pa.float32(),
    "logp_ref": pa.float32(),
    "step_version": pa.int32(),
    "step_reward": pa.float32(),
}
_FIELDS = {name: f"{name}_T" for name in _STEPS} | {"step_version": "version_T", "step_reward": "reward_T"}
_SCALARS = {
    "prompt_id": pa.string(),
    "sample": pa.int64(),
    "version": pa.int64(),
    "digest": pa.string(),
    "ref_version": pa.int64(),
    "reward": pa.float64(),
    "arrived": pa.int64(),
    "finish": pa.string(),
    "temperature": pa.float64(),
    "max_tokens": pa.int64(),
    "top_p": pa.float64(),
    "top_k": pa.int64(),
    "rule": pa.string(),
    "stop": pa.list_(pa.string()),
    "reward_parts": pa.map_(pa.string(), pa.float64()),
    "info": pa.string(),
    "labels": pa.string(),
}
MAY_BE_ABSENT = ("step_version", "step_reward", "rule", "stop", "labels")
"""Columns that older tables lack; their values are then null."""
_MAY_BE_NULL = ("reward", "logp_ref", *MAY_BE_ABSENT)

SCHEMA = pa.schema([*_SCALARS.items(), *((name, pa.list_(kind)) for name, kind in _STEPS.items())])
"""The columns."""


def to_table(arrivals: list[Arrival]) -> pa.Table:
    """Convert trajectories to a table.

    Raises:
        SteelyardError: an `info` holds values that JSON cannot represent.
    """
    scalars = pa.Table.from_pylist([_scalars(t, arrived) for arrived, t in arrivals], pa.schema(_SCALARS.items()))
    steps = [_lists([getattr(t, _FIELDS[name]) for _, t in arrivals], kind) for name, kind in _STEPS.items()]
    return pa.Table.from_arrays([*scalars.columns, *steps], schema=SCHEMA)


def _scalars(t: Trajectory, arrived: int) -> JsonObject:
    return {
        "prompt_id": t.prompt_id,
        "sample": t.sample,
        "version": t.version,
        "digest": t.digest,
        "ref_version": t.ref_version,
        "reward": t.reward,
        "arrived": arrived,
        "finish": t.finish,
        "temperature": t.sampling.temperature,
        "max_tokens": t.sampling.max_tokens,
        "top_p": t.sampling.top_p,
        "top_k": t.sampling.top_k,
        "rule": t.sampling.rule or None,
        "stop": list(t.sampling.stop) or None,
        "reward_parts": list(t.reward_parts.items()),
        "info": _info(t),
        "labels": msgspec.json.encode(t.labels).decode() if t.labels else None,
    }


def _info(t: Trajectory) -> str:
    text = msgspec.json.encode(t.info)
    require(
        msgspec.json.decode(text) == t.info,
        "its info holds what JSON cannot: bytes, keys that are not strings, or numbers that are not finite",
        where=f"prompt {t.prompt_id!r}, sample {t.sample}",
        hint="exclude the trajectory with a filter",
    )
    return text.decode()


def _lists(arrays: list[np.ndarray | None], kind: pa.DataType) -> pa.ListArray:
    """One list per trajectory; null for None."""
    full = [np.empty(0) if array is None else array for array in arrays]
    ends_N1 = np.cumsum([0, *map(len, full)], dtype=np.int32)
    values = pa.array(np.concatenate(full), kind)
    return pa.ListArray.from_arrays(ends_N1, values, mask=pa.array([array is None for array in arrays]))


_MINIMUM = {"version": 0, "ref_version": 0, "sample": 0, "arrived": 0, "temperature": 0, "max_tokens": 1, "top_k": 0}
"""Column -> the lowest valid value."""


def from_table(table: pa.Table) -> Iterator[Arrival]:
    """Yield the trajectories of a table with the columns of `SCHEMA`.

    Raises:
        SteelyardError: a value is missing or wrong; the message names its trajectory.
    """
    for name in SCHEMA.names:
        missing = table[name].null_count and name not in _MAY_BE_NULL
        require(not missing, "has nulls", where=f"column {name}", hint="give each row a value")
    steps = [_arrays(table[name], name) for name in _STEPS]
    for scalars, *arrays in zip(table.select(list(_SCALARS)).to_pylist(), *steps, strict=True):
        trajectory = _trajectory(scalars, *arrays)
        check_finite([trajectory])
        yield scalars["arrived"], trajectory


def _arrays(column: pa.ChunkedArray, name: str) -> list[np.ndarray | None]:
    """One array per trajectory; None for null."""
    lists = column.combine_chunks()
    require(not lists.flatten().null_count, "has nulls", where=f"column {name}", hint="give each step a value")
    values = lists.values.to_numpy(zero_copy_only=False)
    ends_N1 = lists.offsets.to_numpy()
    return [
        values[ends_N1[i] : ends_N1[i + 1]] if valid else None for i, valid in enumerate(lists.is_valid().to_pylist())
    ]


def _trajectory(
    s: JsonObject, tokens_T: Any, action_T: Any, logp_T: Any, ref_T: Any, version_T: Any, reward_T: Any
) -> Trajectory:
    where = f"prompt {s['prompt_id']!r}, sample {s['sample']}"
    lengths = {len(array) for array in (tokens_T, action_T, logp_T, ref_T, version_T, reward_T) if array is not None}
    require(len(lengths) == 1, "its lists differ in length", where=where, hint="give each one entry per step")
    hint = "export the trajectories again"
    require(int(tokens_T.min(initial=0)) >= 0, "its tokens are negative", where=where, hint=hint)
    _check_scalars(s, version_T, where)
    stop = tuple(s["stop"] or ())
    sampling = Sampling(s["temperature"], s["max_tokens"], s["top_p"], s["top_k"], s["rule"] or "", stop)
    return Trajectory(
        s["prompt_id"],
        tokens_T,
        action_T,
        logp_T,
        s["version"],
        s["digest"],
        sampling,
        s["finish"],
        s["sample"],
        ref_T,
        s["ref_version"],
        s["reward"],
        dict(s["reward_parts"]),
        _decode_info(s["info"], where),
        version_T,
        reward_T,
        _decode_labels(s, where),
    )


def _check_scalars(s: JsonObject, version_T: Any, where: str) -> None:
    known = get_args(Finish)
    require(s["finish"] in known, f"finish is {s['finish']!r}", where=where, hint=f"use {', '.join(known)}")
    for name, low in _MINIMUM.items():
        require(s[name] >= low, f"{name} is {s[name]}", where=where, hint=f"use {low} or more")
    oldest = s["version"] if version_T is None else int(version_T.min(initial=s["version"]))
    what = f"version is {s['version']}, but version {oldest} sampled some of its tokens"
    hint = "give it the oldest version that sampled any of its tokens"
    require(oldest == s["version"], what, where=where, hint=hint)


def _decode_info(text: str, where: str) -> JsonObject:
    try:
        return msgspec.json.decode(text, type=JsonObject)
    except msgspec.DecodeError as error:
        raise SteelyardError(
            f"its info is not a JSON object ({error})", where=where, hint="write {} for none"
        ) from error


def _decode_labels(s: JsonObject, where: str) -> Mapping[str, LabelValue]:
    if s["labels"] is None:
        return earlier_labels(_decode_info(s["info"], where), dict(s["reward_parts"]))
    try:
        return msgspec.json.decode(s["labels"], type=dict[str, StoredLabel])
    except msgspec.DecodeError as error:
        hint = 'write an object such as {"domain": 1}, or null for none'
        raise SteelyardError(f"its labels are not a JSON object of values ({error})", where=where, hint=hint) from error
