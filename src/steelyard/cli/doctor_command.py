"""`steelyard doctor [RECIPE]`: what is installed and here, what a recipe needs, and how to mend what lacks."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from steelyard.cli import installed
from steelyard.cli.flags import parse
from steelyard.cli.machine_checks import Check, checks
from steelyard.cli.other_programs import programs
from steelyard.cli.recipe_needs import Needs, needs_of
from steelyard.core import require, suggest
from steelyard.core.json import JsonObject
from steelyard.recipes import names, summaries

USED_FOR: Mapping[str, str] = {
    "gym": "data sets of reasoning-gym, train gym",
    "gymnasium": "its games, train text-game --game gymnasium:ID",
    "textarena": "its games, train text-game --game textarena:ID",
    "openenv": "its servers, train text-game --game openenv:URL",
    "verifiers": "task sets of verifiers v1, train taskset",
    "trl": "make test-trl, which compares train tools with its GRPOTrainer",
    "control": "environments of gymnasium, train control-ppo",
    "datasets": "data sets of the hub by their id",
    "ray": "--runtime ray",
    "bench": "what steelyard bench compares with",
    "dev": "make test",
}
"""Extra -> what it is for; one that is not named here is a tracker, --track NAME."""
_WIDTH = 80
_INDENT = 18


@dataclass(frozen=True)
class Doctor:
    """Check this installation and this machine, and say what each recipe needs and what is missing, with the command
    that mends it. Exit code 1 where something lacks that a plain run needs, or that the named recipe needs."""

    recipe: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RECIPE]")] = None
    """One recipe, to be told its command and its needs."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print what was found; nothing is written or fetched."""
    asked = parse(Doctor, words, command="doctor")
    if asked.recipe is not None:
        hint = suggest(asked.recipe, names())
        require(asked.recipe in names(), f"unknown RECIPE {asked.recipe!r}", where="doctor", hint=hint)
    found = checks()
    for check in found if asked.recipe is None else [c for c in found if not c.ok]:
        _say_check(check)
    lacks = [check.mend for check in found if check.needed and not check.ok]
    told = {"checks": [_check_as_json(check) for check in found]}
    told |= _all() if asked.recipe is None else _one(asked.recipe, lacks)
    print("mend first: " + "\n            ".join(lacks) if lacks else "all that is needed is here")
    return told | {"exit_code": int(bool(lacks))}


def _all() -> dict[str, object]:
    """The extras, and every recipe."""
    print("\nextras")
    extras = {extra: parts for extra, parts in installed.packages().items() if extra}
    for extra, parts in extras.items():
        lacking = [part for part in parts if not part.ok]
        _say(extra, f"{', '.join(map(str, lacking or parts))} ({USED_FOR.get(extra, f'--track {extra}')})")
        if lacking:
            _say("", f"to have it: {installed.mend(extra)}")
    print("\nother programs")
    others = programs()
    for check in others:
        _say_check(check, "to have it")
    needs = {name: needs_of(name) for name in names()}
    _say_recipes(needs)
    return {
        "programs": [_check_as_json(check) for check in others],
        "extras": {extra: _extra(extra, parts) for extra, parts in extras.items()},
        "recipes": {name: _as_json(need) for name, need in needs.items()},
    }


def _say_recipes(needs: Mapping[str, Needs]) -> None:
    bare = {name: need for name, need in needs.items() if not need.extras and not need.fetched}
    rows = [name for name in bare if name.startswith("rows-")]
    own = [name for name, need in bare.items() if need.given and name not in rows]
    print("\nrecipes")
    _say("need nothing", ", ".join(name for name, need in bare.items() if not need.given))
    _say("model or data of your own", ", ".join([*own, f"rows-METHOD ({len(rows)} methods)"]))
    for extra in dict.fromkeys(extra for need in needs.values() for extra in need.extras):
        lacks = installed.lacking(extra)
        held = ", ".join(name for name, need in needs.items() if extra in need.extras)
        _say(f"extra {extra}", f"{held}{f': {installed.mend(extra)}' if lacks else ''}")
    _say("fetched from the hub", ", ".join(name for name, need in needs.items() if need.fetched))
    _say("", "steelyard doctor RECIPE shows the command of one and what it lacks")
    print()


def _one(name: str, lacks: list[str]) -> dict[str, object]:
    """One recipe; what it lacks is added to `lacks`."""
    need = needs_of(name)
    _say(name, summaries()[name])
    for extra in need.extras:
        lacking = installed.lacking(extra)
        _say(f"extra {extra}", ", ".join(map(str, lacking or installed.packages()[extra])))
        lacks += [installed.mend(extra)] if lacking else []
    _say("from the hub", f"{', '.join(need.fetched)}: fetched at the first run" if need.fetched else "nothing")
    _say("yours", f"{need.given} (docs/data.md says what stands in such files)" if need.given else "nothing")
    print(f"run it:     {need.command}\nlook first: {need.command} --dry-run")
    return {"recipe": name, **_as_json(need)}


def _as_json(need: Needs) -> JsonObject:
    missing = [extra for extra in need.extras if installed.lacking(extra)]
    return need._asdict() | {"missing": [installed.mend(extra) for extra in missing]}


def _extra(extra: str, parts: Iterable[installed.Package]) -> JsonObject:
    listed = [{**part._asdict(), "ok": part.ok} for part in parts]
    return {"packages": listed, "ok": all(part["ok"] for part in listed), "mend": installed.mend(extra)}


def _check_as_json(check: Check) -> JsonObject:
    return check._asdict() | {"ok": check.ok}


def _say_check(check: Check, so_that: str = "to mend it") -> None:
    _say(check.name, check.found)
    if not check.ok:
        _say("", f"{so_that}: {check.mend}")


def _say(name: str, text: str) -> None:
    lead = f"{name:<{_INDENT - 1}} " if len(name) < _INDENT else f"{name}\n{' ' * _INDENT}"
    lines = textwrap.wrap(text or "none", _WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False)
    print(lead + f"\n{' ' * _INDENT}".join(lines))
