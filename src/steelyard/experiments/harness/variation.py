"""A proof's arms and setting, changed: what a trial measures in place of what a verdict is about."""

import dataclasses
from typing import Any, get_type_hints

import msgspec

from steelyard.core import SteelyardError, require, suggest
from steelyard.experiments.harness.arm import Arm
from steelyard.experiments.harness.proof import Proof


class Variation(msgspec.Struct, frozen=True):
    """What is measured of a proof, and what is changed in it; as it stands, all of it unchanged."""

    arms: tuple[str, ...] = ()
    """These alone; none named, all."""
    changes: tuple[tuple[str, str], ...] = ()
    """Fields and their values in words, of the setting or of arms; `world.steps` is the field of a field."""
    rate: float | None = None
    """The learning rate of every arm that has one."""


def varied(proof: Proof[Any, Any], variation: Variation, *, quick: bool) -> tuple[object, list[Arm[Any]]]:
    """The setting and the arms that a variation measures.

    A change of a field that the setting has changes the setting; else it changes every arm that has the field.

    Raises:
        SteelyardError: there is no such arm or field, or the field refuses the value.
    """
    where = f"proof of {', '.join(proof.proves)}"
    names = variation.arms or (proof.claimed if quick else tuple(proof.arms))
    for name in names:
        require(name in proof.arms, f"has no arm {name!r}", where=where, hint=suggest(name, [*proof.arms]))
    setting = proof.quick if quick else proof.setting
    arms = [proof.arm(name) for name in names]
    for path, value in variation.changes:
        if has(setting, path):
            setting = changed(setting, path, value)
            continue
        require(
            any(has(arm.settings, path) for arm in arms),
            f"neither its setting nor an arm has a field {path!r}",
            where=where,
            hint=suggest(path, fields_of(setting) + [name for arm in arms for name in fields_of(arm.settings)]),
        )
        arms = [
            dataclasses.replace(arm, settings=changed(arm.settings, path, value)) if has(arm.settings, path) else arm
            for arm in arms
        ]
    if variation.rate is not None:
        arms = [dataclasses.replace(arm, rate=variation.rate) if arm.rate else arm for arm in arms]
    return setting, arms


def fields_of(value: object, prefix: str = "") -> list[str]:
    """The paths of all fields, those of fields too."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return []
    paths = []
    for field in dataclasses.fields(value):
        path = prefix + field.name
        paths += [path, *fields_of(getattr(value, field.name), f"{path}.")]
    return paths


def has(value: object, path: str) -> bool:
    """True where the path is that of a field."""
    return path in fields_of(value)


def changed(value: Any, path: str, to: str) -> Any:
    """The value with the field at a path changed to what `to` says: a word, or a list as JSON.

    Raises:
        SteelyardError: the field refuses it.
    """
    name, _, rest = path.partition(".")
    if rest:
        return dataclasses.replace(value, **{name: changed(getattr(value, name), rest, to)})
    kind = get_type_hints(type(value), include_extras=True)[name]
    try:
        plain = msgspec.json.decode(to) if to.startswith("[") else to
        return dataclasses.replace(value, **{name: msgspec.convert(plain, kind, strict=False)})
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
        raise SteelyardError(f"refuses {to!r}: {error}", where=path, hint="see the field's limits") from error
