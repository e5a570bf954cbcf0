"""Which source files a computation reaches, and what they say: the key under which what was measured is kept.

A file is reached where a line inside one of its functions ran, as `coverage` records it in this process. It is also
reached where a reached file takes a constant from it, or a class of records, whose defaults are nobody's function.
Without coverage all files of the package that were imported count: what is kept is then measured anew more often than
need be, and never too seldom.

Files enter as syntax trees without docstrings and comments, other files than Python's, such as the weights of a shipped
model, byte by byte (`note` counts them); torch, transformers and Python enter by version.
"""

import ast
import dataclasses
import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from coverage import Coverage

OWN = Path(__file__).resolve()
"""This file runs wherever it records, and decides nothing."""
PACKAGE = OWN.parents[1]
_TYPING = ("typing", "types", "collections.abc", "_collections_abc")
"""Where the classes of type aliases are from."""
PACKAGE_NAME = __name__.partition(".")[0]


class CodeReached:
    """What is reached in this process from now on, part by part.

    Args:
        also: files outside the package that count too.
    """

    def __init__(self, also: Iterable[Path] = ()) -> None:
        self._also = frozenset(also)
        self._noted: dict[str, set[Path]] = defaultdict(set)
        self._part = ""
        self._coverage = _coverage([PACKAGE, *self._also])

    def enter(self, part: str) -> str:
        """From here on, what is reached belongs to this part; returns the part before."""
        before = self._part
        self._part = part
        if self._coverage:
            self._coverage.switch_context(part)
        return before

    def note(self, files: Iterable[Path]) -> None:
        """Count files as reached by the present part: what it takes from a cache has reached them."""
        self._noted[self._part] |= {*files}

    def files(self, *parts: str) -> set[Path]:
        """All that these parts have reached."""
        found = {file for part in parts for file in self._noted[part]}
        if self._coverage is None:
            return found | self._also | {file for file in map(_file_of, [*sys.modules]) if file}
        data = self._coverage.get_data()
        for part in parts:
            data.set_query_context(part)
            for name in data.measured_files():
                lines = data.lines(name) or []
                if not _function_lines(Path(name)).isdisjoint(lines):
                    found.add(Path(name))
        return _with_constants(found - {OWN}, self._also)

    def stop(self) -> None:
        """Record no more."""
        if self._coverage:
            self._coverage.stop()


_current: list[CodeReached] = []


@contextmanager
def recording(also: Iterable[Path] = ()) -> Iterator[CodeReached]:
    """What is reached inside the `with`; one that stands inside another is a part of it."""
    if _current:
        yield _current[0]
        return
    code = CodeReached(also)
    _current.append(code)
    try:
        yield code
    finally:
        _current.clear()
        code.stop()


def note(files: Iterable[Path]) -> None:
    """Count files as reached, if anybody records."""
    for code in _current:
        code.note(files)


def digests(files: Iterable[Path], *, criterion: Path | None = None) -> dict[str, str]:
    """File -> digest of what it says; names are relative to the package where it holds them.

    Args:
        files: source files.
        criterion: the one of these whose tables do not count (`without_tables`): they enter by value.
    """
    return {name_of(file): digest(file, tables=file != criterion) for file in sorted(files)}


def changed(kept: Mapping[str, str], *, criterion: Path | None = None) -> list[str]:
    """The files that say something else than when these digests were taken, or are gone."""
    now = {name: PACKAGE / name for name in kept}
    return [
        name for name, file in now.items() if not file.is_file() or digest(file, tables=file != criterion) != kept[name]
    ]


def name_of(file: Path) -> str:
    """What a file is called in a record: within the package relative to it, else in full."""
    return str(file.relative_to(PACKAGE)) if _inside(file) else str(file)


def versions() -> dict[str, str]:
    """What else decides a result: Python and the libraries that compute."""
    found = {name: metadata.version(name) for name in ("torch", "transformers")}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **found}


def digest(file: Path, *, tables: bool = True) -> str:
    """A digest of a source file's syntax tree, without docstrings and comments; `tables` as in `digests`.

    Of another file, a digest of its bytes.
    """
    if file.suffix != ".py":
        return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
    return _digest(file.read_text(encoding="utf-8"), tables)


@cache
def _digest(text: str, tables: bool) -> str:
    tree = ast.parse(text)
    if not tables:
        tree.body = without_tables(tree.body)
    for node in ast.walk(tree):
        for body in (vars(node).get(name) for name in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                body[:] = [each for each in body if not _is_docstring(each)]
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=8).hexdigest()


def without_tables(body: list[ast.stmt]) -> list[ast.stmt]:
    """A module's statements but for assignments that no function or class of it reads, directly or through others.

    In a proof these are its arms, settings and claims, which enter a key by value: a new arm leaves the others alone.
    """
    rest = [each for each in body if not isinstance(each, ast.Assign | ast.AnnAssign)]
    read = {name for each in rest for name in _read(each)}
    assigned = [each for each in body if isinstance(each, ast.Assign | ast.AnnAssign)]
    kept: set[ast.stmt] = set()
    while grown := [each for each in assigned if each not in kept and _written(each) & read]:
        kept |= {*grown}
        read |= {name for each in grown for name in _read(each)}
    return [each for each in body if each not in assigned or each in kept]


def _read(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _written(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _inside(file: Path) -> bool:
    return file.is_relative_to(PACKAGE)


def _coverage(places: Iterable[Path]) -> "Coverage | None":
    try:
        import coverage
    except ImportError:
        return None
    include = [f"{place}/*" if place.is_dir() else str(place) for place in places]
    found = coverage.Coverage(data_file=None, config_file=False, include=include, messages=False)
    found.set_option("run:disable_warnings", ["no-data-collected", "module-not-measured", "couldnt-parse"])
    found.start()
    return found


@cache
def _tree(file: Path) -> ast.Module:
    if file.suffix != ".py":
        return ast.Module([], [])  # data takes nothing from elsewhere
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _function_lines(file: Path) -> frozenset[int]:
    """The lines inside functions: a module's other lines run when it is imported, whoever does that."""
    found: set[int] = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {*range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)}
    return frozenset(found)


def _with_constants(files: set[Path], proofs: frozenset[Path]) -> set[Path]:
    """The files, those that they take constants and records from, and those that these take constants from, and so on.

    A proof's records are its arms' settings, and enter by value.
    """
    found = {*files}
    todo = {home for file in files for home in _taken_from(file, records=file not in proofs)} - found
    while todo:
        found |= todo
        todo = {home for file in todo for home in _taken_from(file, records=False)} - found
    return found


def _taken_from(file: Path, *, records: bool) -> Iterator[Path]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE_NAME:
            for alias in node.names:
                home = _home(node.module or "", alias.name, records=records)
                if home is not None:
                    yield home


def _home(module: str, name: str, *, records: bool) -> Path | None:
    """The file that a constant, or a class of records, comes from; None for functions, modules and other classes."""
    value = vars(sys.modules.get(module, ModuleType(module))).get(name)
    if value is None or isinstance(value, FunctionType | ModuleType) or type(value).__module__ in _TYPING:
        return None
    if isinstance(value, type):
        is_record = dataclasses.is_dataclass(value) or issubclass(value, msgspec.Struct)
        return _file_of(value.__module__) if is_record and records else None
    file = _file_of(module)
    while file is not None and (origin := _imported_from(file, name)):
        module, name = origin
        file = _file_of(module)
    return file


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    found = Path(file).resolve() if file else None
    return found if found and _inside(found) else None


def _imported_from(file: Path, name: str) -> tuple[str, str] | None:
    """The module, and the name there, that a file imports a name from."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return node.module, alias.name
    return None
