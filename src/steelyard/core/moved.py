"""Names that have changed: settings, ids and modules of earlier versions, and what they are called now.

`config.json` of a run, and the states of its checkpoints, keep the names of the version that wrote them. `decode` reads
them through these tables, so that an old run still resumes. An entry stays for as long as such runs may exist.
"""

from collections.abc import Mapping

from steelyard.core.json import JsonMapping

IDS: Mapping[str, str] = {}
"""Registered id -> the id that took its place."""

MODULES: Mapping[str, str] = {}
"""Module that a config names -> the module that took its place."""

UNREGISTERED: Mapping[str, str] = {
    "addends": "steelyard.worlds.many_answers:ManyAnswers",
    "chains": "steelyard.worlds.checkable_steps:CheckableSteps",
    "domains": "steelyard.worlds.domains:Domains",
    "facts": "steelyard.worlds.facts:Facts",
    "grammar": "steelyard.worlds.grammar:Grammar",
    "habits": "steelyard.worlds.habits:Habits",
    "loophole": "steelyard.worlds.loophole:Loophole",
    "toy-safety": "steelyard.worlds.safety:ToySafety",
    "scratchpad": "steelyard.worlds.scratchpad:Scratchpad",
}
"""Id that is registered no more -> the class that had it, as `module:Class`."""

CLASSES: Mapping[str, str] = {
    "steelyard.worlds.addends:Addends": UNREGISTERED["addends"],
    "steelyard.worlds.chains:Chains": UNREGISTERED["chains"],
}
"""Class that a config names, as `module:Class` -> the class that took its place."""

FIELDS: Mapping[str, Mapping[str, str]] = {
    "PrioritizedReplay": {"nearest": "near_duplicate_threshold", "fresh": "protected_per_prompt"},
    "Run": {"parity_bound": "max_logp_mismatch"},
}
"""Class name -> setting -> the setting that took its place."""

METRICS: Mapping[str, str] = {
    "replay/foreign": "replay/unknown_version",
    "search/parity_mean": "search/logp_mismatch_mean",
    "search/parity_max": "search/logp_mismatch_max",
}
"""Metric -> the metric that took its place."""

STATE_KEYS: Mapping[str, str] = {
    "assigner": "scheduler", "undone": "owed", "tally": "statistics", "watches": "timers",
    "measured_step": "evaluated_step", "parity": "logp_mismatch",
}  # fmt: skip
"""Key of a checkpoint's state.json -> the key that took its place."""

COUNTS: Mapping[str, str] = {"foreign": "unknown_version"}
"""Counter of a stored replay -> the counter that took its place."""

NAMES: Mapping[str, str] = {}
"""Function, class, arm or metric in the source of a proof -> the name that took its place."""


_EARLIER_LABELS = ("domain", "retain", "demonstration")
"""Labels that stood in a trajectory's `info` before there were labels."""


def earlier_labels(info: JsonMapping, parts: Mapping[str, float]) -> Mapping[str, bool | int | float]:
    """The labels of a stored trajectory from before there were labels: of its `info`, and of its judges' verdicts."""
    if not info and not parts:
        return {}
    kinds = (bool, int)
    found = {name: info[name] for name in _EARLIER_LABELS if isinstance(info.get(name), kinds)}
    judged = [value > 0 for name, value in parts.items() if name.startswith("constraint/")]
    return found | {"passes": all(judged)} if judged else found


def current_id(id: str) -> str:
    """The id that is registered today for what was once `id`."""
    return IDS.get(id, id)


def current_module(module: object) -> object:
    """The module that holds today what was once in `module`; anything that is no moved module is returned as it is."""
    return MODULES.get(module, module) if isinstance(module, str) else module


def current_metrics(row: Mapping[str, object]) -> dict[str, object]:
    """A row of metrics under the names of today."""
    return {METRICS.get(name, name): value for name, value in row.items()}


def first_metrics(row: Mapping[str, object]) -> dict[str, object]:
    """A row of metrics under the names that they had first: digests of it stay comparable from version to version."""
    first = {new: old for old, new in METRICS.items()}
    return {first.get(name, name): value for name, value in row.items()}


def first_name(name: str) -> str:
    """A name in a proof as it was first: digests of its criterion stay comparable from version to version."""
    moved = [NAMES, METRICS, *FIELDS.values()]
    return next((old for table in moved for old, new in table.items() if new == name), name)


def current_state_keys(state: Mapping[str, object]) -> dict[str, object]:
    """A checkpoint's state under the keys of today."""
    return {STATE_KEYS.get(name, name): value for name, value in state.items()}


def current_fields(cls: type, data: dict[str, object]) -> dict[str, object]:
    """Settings of `cls` under the names that its fields have today."""
    moved = FIELDS.get(cls.__name__, {})
    return {moved.get(name, name): value for name, value in data.items()}


def current_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Counters of a stored replay under the names that they have today."""
    return {COUNTS.get(name, name): value for name, value in counts.items()}
