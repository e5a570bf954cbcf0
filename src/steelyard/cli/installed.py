"""What is installed of the packages that Steelyard and its extras need, and which of them are too old.

This file imports the standard library alone: it must also work where nothing else is installed.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

NAME = "steelyard"
ROOT = Path(__file__).parents[3]
"""The source tree, where there is one."""
_REQUIREMENT = re.compile(r"""([\w.-]+)(?:\[([\w,-]+)\])?(?:>=([\w.]+))?(?:\s*;\s*extra == ["']([\w-]+)["'])?""")


class Package(NamedTuple):
    """A package that is needed, and what there is of it."""

    name: str
    least: str
    """The oldest version that will do; empty where any will."""
    found: str | None
    """The version that is installed."""

    @property
    def ok(self) -> bool:
        """Whether it is there, and not too old."""
        return self.found is not None and _numbers(self.found) >= _numbers(self.least)

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.name} is not installed"
        old = "" if self.ok else f" is too old: {self.least} or later is needed"
        return f"{self.name} {self.found}{old}"


def source_tree() -> Path | None:
    """The directory of the source tree that this runs from; None for an installed package."""
    file = ROOT / "pyproject.toml"
    named = file.is_file() and tomllib.loads(file.read_text("utf-8")).get("project", {}).get("name") == NAME
    return ROOT if named else None


def packages() -> Mapping[str, Sequence[Package]]:
    """Extra -> its packages; those that are always needed stand under the empty name."""
    found: dict[str, list[Package]] = {"": []}
    within: dict[str, list[str]] = {}
    for extra, text in _requirements():
        read = _REQUIREMENT.fullmatch(text.strip())
        if read is None:
            continue
        name, inner, least, _ = read.groups()
        found.setdefault(extra, [])
        if name == NAME:
            within.setdefault(extra, []).extend(inner.split(","))
        else:
            found[extra].append(Package(name, least or "", version_of(name)))
    for extra, others in within.items():
        found[extra] += [package for other in others for package in found[other]]
    return found


def lacking(extra: str = "") -> list[Package]:
    """The packages of an extra, or those that are always needed, which are missing or too old."""
    return [package for package in packages().get(extra, ()) if not package.ok]


def mend(extra: str = "") -> str:
    """The command that installs an extra, or all that is always needed."""
    if extra:
        return f"pip install '{NAME}[{extra}]'"
    tree = source_tree()
    return f"pip install --upgrade {NAME}" if tree is None else f"pip install -e {tree}"


def _requirements() -> Iterator[tuple[str, str]]:
    """Extra and requirement. A source tree goes before what was installed from it earlier."""
    if (tree := source_tree()) is not None:
        project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]
        yield from (("", text) for text in project["dependencies"])
        for extra, texts in project["optional-dependencies"].items():
            yield from ((extra, text) for text in texts)
        return
    for text in requires(NAME) or ():
        read = _REQUIREMENT.fullmatch(text.strip())
        yield ((read[4] or "") if read else ""), text


def version_of(name: str) -> str | None:
    """The version of a package that is installed here; None where it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """2.13.0+cpu as (2, 13, 0)."""
    read = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, read[0].split("."))) if read else ()
