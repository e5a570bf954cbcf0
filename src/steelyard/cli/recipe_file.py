"""Recipes as files: the words of `steelyard train RECIPE`, written down in TOML.

    recipe = "rows"                     steelyard train rows
    model = "gemma-3-270m"              --model gemma-3-270m
    reward = ["my.py:right", "my.py:brief=0.1"]     --reward my.py:right --reward my.py:brief=0.1
    filter-overlong-prompts = true      --filter-overlong-prompts

    [replay]
    warmup = 0                          --replay.warmup 0

    [curriculum]
    id = "dump"                         --curriculum dump
    tau = 0.2                           --curriculum.tau 0.2

A value is what the command line would be given, so it is parsed, checked and refused in the same way. A flag beside the
file replaces the file's. What the file does not say keeps the recipe's default. Paths are read from where the command
runs.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError, require
from steelyard.runtime.run_dir.disk import put, reading, writing

SUFFIX = ".toml"
RECIPE = "recipe"
ITSELF = "id"
"""In a table, the value of the flag that has the table's name."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_HINT = 'write recipe = "NAME" first, then settings, as in model = "DIR"'


def is_recipe_file(word: str) -> bool:
    """True where the word names a file of settings, and no recipe."""
    return word.endswith(SUFFIX)


def from_file(path: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """The recipe that a file names, and its words, followed by those given beside it.

    Args:
        path: the file.
        words: what is given after its name.

    Raises:
        SteelyardError: it cannot be read, is no TOML, names no recipe, or a value is no text, number, truth or list.
    """
    try:
        with reading(Path(path), "name a file"):
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SteelyardError(f"is no TOML: {error}", where=path, hint=_HINT) from error
    name = table.pop(RECIPE, None)
    require(isinstance(name, str), "names no recipe", where=path, hint=_HINT)
    given = {_flag(word) for word in words if word.startswith("--")}
    kept = [pair for pair in _pairs(table, "", path) if _flag(pair[0]) not in given]
    return str(name), [word for flag, values in kept for word in _words(flag, values)] + [*words]


def save(path: str, recipe: str, words: Sequence[str], repeated: Iterable[str]) -> None:
    """Write a recipe and its words as a file.

    Args:
        path: the file; it must not exist.
        recipe: the recipe's name.
        words: the words after it, each known to be right.
        repeated: flags that may be given several times.

    Raises:
        SteelyardError: the file exists, has another ending, or cannot be written.
    """
    where = "--save-recipe"
    require(is_recipe_file(path), f"is {path!r}", where=where, hint=f"end the file's name in {SUFFIX}")
    require(not Path(path).exists(), "exists", where=path, hint="choose another name, or remove the file")
    with writing(Path(path), SteelyardError):
        put(Path(path), text(recipe, words, repeated).encode())


def text(recipe: str, words: Sequence[str], repeated: Iterable[str]) -> str:
    """The file of a recipe and its words."""
    flags = _gathered(words, frozenset(repeated))
    tables: dict[str, list[str]] = {"": [f"{RECIPE} = {json.dumps(recipe)}"]}
    for flag, value in flags.items():
        table, _, key = flag.rpartition(".")
        if any(other.startswith(f"{flag}.") for other in flags):
            table, key = flag, ITSELF
        tables.setdefault(table, []).append(f"{_key(key)} = {value}")
    blocks = ["\n".join([*([f"[{_header(name)}]"] if name else []), *lines]) for name, lines in tables.items()]
    return "\n\n".join(blocks) + "\n"


def _pairs(table: Mapping[str, Any], before: str, path: str) -> Iterator[tuple[str, Any]]:
    """Every setting of a table, and of those in it, with its flag."""
    for key, value in table.items():
        flag = before if key == ITSELF and before else f"{before}.{key}".strip(".")
        if isinstance(value, Mapping):
            yield from _pairs(value, flag, path)
            continue
        parts = value if isinstance(value, list) else [value]
        plain = all(isinstance(part, (str, int, float)) for part in parts) and parts
        hint = "give a text, a number, true or false, or a list of these"
        require(bool(plain), f"{flag} is {value!r}", where=path, hint=hint)
        yield f"--{flag.replace('_', '-')}", value


def _words(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else re.sub(r"(^--|\.)(?=[^.]*$)", r"\1no-", flag)]
    if isinstance(value, list):
        return [flag, *map(str, value)]
    return [f"{flag}={value}"]


def _flag(word: str) -> str:
    """The setting that a word is about, without hyphens: --no-chat and --chat are one."""
    flag = word.partition("=")[0].removeprefix("--")
    return re.sub(r"(^|\.)no-(?=[^.]*$)", r"\1", flag)


def _gathered(words: Sequence[str], repeated: frozenset[str]) -> dict[str, str]:
    """Every setting with its value in TOML; of a flag that stands twice the last, or all where it may be repeated."""
    found: dict[str, tuple[str, list[str]]] = {}
    values: list[str] = []
    for word in words:
        if not word.startswith("--"):
            values.append(word)
            continue
        flag, joined, value = word.partition("=")
        before = found.pop(_flag(flag), None)
        values = before[1] if before and flag in repeated else []
        values += [value] if joined else []
        found[_flag(flag)] = (flag, values)
    return {name: _value(flag, given, flag in repeated) for name, (flag, given) in found.items()}


def _value(flag: str, values: Sequence[str], many: bool) -> str:
    if not values:
        return "true" if flag.removeprefix("--") == _flag(flag) else "false"
    if len(values) == 1 and not many:
        return _literal(values[0])
    return f"[{', '.join(map(_literal, values))}]"


def _literal(word: str) -> str:
    return word if _NUMBER.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def _header(name: str) -> str:
    return ".".join(map(_key, name.split(".")))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
