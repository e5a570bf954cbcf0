"""Methods that a command line chooses by their ids: `--decode cntp --decode.n-max 3`, `--curriculum dump`.

A part of a method that is a method, too, is chosen likewise: `--curriculum dump --curriculum.index ucboost`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, fields, make_dataclass, replace
from typing import Any, get_args, get_type_hints

from steelyard.cli.flags import parse, take_flags, take_values
from steelyard.core import SteelyardError, cards, require, suggest

DECODE = "decode"
CURRICULUM = "curriculum"


def take_id(words: Sequence[str], room: str) -> tuple[Any, list[str]]:
    """The method of `room` that `--ROOM ID` names, with its default settings, and the words that are left.

    None where no word names one.

    Raises:
        SteelyardError: there is none of that id, or two are named.
    """
    flag = f"--{room}"
    found, rest = take_values(words, flag)
    ids = [value for _, value in found]
    require(len(ids) < 2, f"is given {len(ids)} times: {', '.join(ids)}", where=flag, hint="name one")
    if not ids:
        return None, rest
    return _parts_of(_made(ids[0], {card.id: card.cls for card in cards(room)}, flag), room, rest)


def _made(id: str, known: Mapping[str, type], flag: str) -> Any:
    if id not in known:
        raise SteelyardError(f"there is no {id!r}", where=flag, hint=suggest(id, known))
    return known[id]()


def _parts_of(chosen: Any, room: str, words: Sequence[str]) -> tuple[Any, list[str]]:
    """The method with each part that is one of several methods as `--ROOM.PART ID` names it, and the words left."""
    rest = list(words)
    for part, hint in get_type_hints(type(chosen)).items():
        known = {card.id: card.cls for card in cards(room) if card.cls in get_args(hint)}
        flag = f"--{room}.{part.replace('_', '-')}"
        found, rest = take_values(rest, flag) if known else ([], rest)
        if found:
            chosen = replace(chosen, **{part: _made(found[-1][1], known, flag)})
    return chosen, rest


def take_rule(words: Sequence[str], command: str) -> tuple[Any, list[str]]:
    """The decode rule that `--decode ID` and `--decode.SETTING VALUE` describe, or None, and the words that are left.

    Raises:
        SteelyardError: there is no such rule or setting, or a setting is given and no rule.
    """
    rule, rest = take_id(words, DECODE)
    nested, rest = take_flags(rest, lambda flag: flag.startswith(f"--{DECODE}."))
    if rule is None:
        known = " or ".join(card.id for card in cards(DECODE))
        flag = nested[0][0] if nested else ""
        require(not nested, "is set, but no decode rule is named", where=flag, hint=f"write --{DECODE} {known}, too")
        return None, rest
    asked = make_dataclass("Asked", [(DECODE, type(rule), field(default=rule))], frozen=True)
    return parse(asked, [word for pair in nested for word in pair], command=command).decode, rest  # pyright: ignore


def rules_told() -> str:
    """For help texts: the decode rules, and their settings."""
    known = [(card.id, fields(card.cls)) for card in cards(DECODE)]
    told = [f"{id} ({', '.join(f'--{DECODE}.{f.name}'.replace('_', '-') for f in own)})" for id, own in known]
    return f"--{DECODE} ID chooses among continuations by a rule: {'; '.join(told)}."


def chosen_parts() -> str:
    """For the help text of a run: its parts that are chosen by id."""
    ids = ", ".join(card.id for card in cards(CURRICULUM))
    return f"--{CURRICULUM} ID chooses which prompts are searched next: {ids}.\n\n{rules_told()}"
