"""How a replay was opened. Its file keeps it, and continues only as what it began as."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import msgspec

from steelyard.core import SteelyardError, decode, encode, require
from steelyard.replay.sqlite_file import DAMAGED


class _Kept(msgspec.Struct):
    settings: dict[str, Any]
    seed: int
    max_staleness: int | None


@dataclass(frozen=True)
class Origin:
    """The settings, the seed of all draws, and the bound on staleness (versions)."""

    settings: Any
    seed: int
    max_staleness: int | None

    def to_json(self) -> str:
        """What the file keeps."""
        return msgspec.json.encode(_Kept(encode(self.settings), self.seed, self.max_staleness)).decode()

    @classmethod
    def from_json(cls, text: str, where: str) -> "Origin":
        """What `to_json` wrote.

        Raises:
            SteelyardError: the text is not that.
        """
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except msgspec.DecodeError as error:
            raise SteelyardError(f"its settings are damaged ({error})", where=where, hint=DAMAGED) from error
        return cls(decode(kept.settings, where=where), kept.seed, kept.max_staleness)

    def check_same(self, asked: "Origin", where: str) -> None:
        """Refuse to continue a file as something else: its draws and evictions would no longer follow one rule.

        Raises:
            SteelyardError: another method, setting, seed or bound; the message names the first difference.
        """
        for name, has, wants in _differences(self, asked):
            raise SteelyardError(
                f"was begun with {name} {has!r}, and {wants!r} is asked for",
                where=where,
                hint=f"use {has!r}, or another file",
            )

    def check_kind(self, kind: type, where: str) -> None:
        """Refuse a file of another replay method.

        Raises:
            SteelyardError: the settings are not a `kind`.
        """
        found = type(self.settings)
        require(
            found is kind,
            f"holds a {found.__name__}, not a {kind.__name__}",
            where=where,
            hint="open it as what it is, or use another file",
        )


def _differences(has: Origin, wants: Origin) -> list[tuple[str, Any, Any]]:
    kinds = type(has.settings), type(wants.settings)
    if kinds[0] is not kinds[1]:
        return [("method", kinds[0].__name__, kinds[1].__name__)]
    names = [f.name for f in dataclasses.fields(has.settings)]
    pairs = [(name, getattr(has.settings, name), getattr(wants.settings, name)) for name in names]
    pairs += [("seed", has.seed, wants.seed), ("max_staleness", has.max_staleness, wants.max_staleness)]
    return [pair for pair in pairs if pair[1] != pair[2]]
