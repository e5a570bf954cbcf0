"""How a replay was opened. The file stores it and can only be continued with the same settings."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import msgspec

from steelyard.core import SteelyardError, decode, encode, require
from steelyard.replay.sqlite_file import DAMAGED


class _Stored(msgspec.Struct):
    settings: dict[str, object]
    seed: int
    max_staleness: int | None


@dataclass(frozen=True)
class ReplayMetadata:
    """The settings, the seed of all draws, and the bound on staleness (versions)."""

    settings: Any
    seed: int
    max_staleness: int | None

    def to_json(self) -> str:
        """The text that the file stores."""
        return msgspec.json.encode(_Stored(encode(self.settings), self.seed, self.max_staleness)).decode()

    @classmethod
    def from_json(cls, text: str, where: str) -> "ReplayMetadata":
        """Read the text that `to_json` wrote.

        Raises:
            SteelyardError: the text is malformed.
        """
        try:
            stored = msgspec.json.decode(text, type=_Stored)
        except msgspec.DecodeError as error:
            raise SteelyardError(f"its settings are damaged ({error})", where=where, hint=DAMAGED) from error
        return cls(decode(stored.settings, where=where), stored.seed, stored.max_staleness)

    def check_same(self, asked: "ReplayMetadata", where: str) -> None:
        """Refuse to continue a file with other settings, because its draws and evictions would follow two rules.

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
            hint=f"open it as a {found.__name__}, or use another file",
        )


def _differences(has: ReplayMetadata, wants: ReplayMetadata) -> list[tuple[str, object, object]]:
    has_kind = type(has.settings)
    wants_kind = type(wants.settings)
    if has_kind is not wants_kind:
        return [("method", has_kind.__name__, wants_kind.__name__)]
    names = [f.name for f in dataclasses.fields(has.settings)]
    pairs = [(name, getattr(has.settings, name), getattr(wants.settings, name)) for name in names]
    pairs += [("seed", has.seed, wants.seed), ("max_staleness", has.max_staleness, wants.max_staleness)]
    return [pair for pair in pairs if pair[1] != pair[2]]
