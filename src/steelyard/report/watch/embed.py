"""The browser of trajectories in a report: the newest of each run's buffer, as JSON in the page, and its script.

What a run or a model has written stands in the page as JSON in which no `<` is left, and becomes text alone; the
page's policy allows this one script, by its hash, and nothing from elsewhere.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.report.blocks import Section
from steelyard.report.records import RunRecords
from steelyard.report.watch.browser import Browser
from steelyard.report.watch.bundle import PAGE, bundle
from steelyard.runtime import to_json

MOST = 200
"""Trajectories of a run."""
MOST_TOKENS = 40_000
"""Tokens of a run's trajectories together: a page of a megabyte or two."""
_ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&"})


@dataclass(frozen=True)
class Embedded:
    """What a page gets beside its sections."""

    data: Markup
    """The trajectories, as JSON."""
    script: Markup
    style: Markup
    note: str
    """Which part of the buffers the page holds."""
    policy: str
    """The page's content security policy."""
    buffers: Sequence[Section | None]
    """For each run, what its buffer is made of."""


def embedded(names: Sequence[str], runs: Sequence[RunRecords]) -> Embedded | None:
    """The newest trajectories of the runs that have a buffer; None where none has."""
    parts = [_part(name, run) for name, run in zip(names, runs, strict=True)]
    figures = [part.pop("figures") for part in parts]
    if not any(part["buffer"] for part in parts):
        return None
    script = bundle()
    return Embedded(
        data=Markup(to_json({"runs": parts}).translate(_ESCAPED)),
        script=Markup(script),
        style=Markup((PAGE / "watch.css").read_text("utf-8") + (PAGE / "alone.css").read_text("utf-8")),
        note=" ".join(_note(part, alone=len(parts) == 1) for part in parts if part["note"]),
        policy=_policy(script),
        buffers=[Section("buffer", "What the buffer holds", found) if found else None for found in figures],
    )


def _part(name: str, run: RunRecords) -> JsonObject:
    browser = Browser(run.directory, run.config)
    nothing = {"name": name, "buffer": False, "rows": [], "episodes": [], "problem": "", "note": "", "figures": []}
    if not browser.exists:
        return nothing
    try:
        found = browser.newest(MOST, MOST_TOKENS)
    except SteelyardError as error:
        return nothing | {"buffer": True, "note": f"its buffer cannot be read ({error})."}
    held = len(found["rows"])
    part = f"the newest {held:,} of {found['total']:,} trajectories in the file; steelyard watch shows all."
    return nothing | found | {"buffer": held > 0, "note": part if held < found["total"] else ""}


def _note(part: JsonObject, *, alone: bool) -> str:
    told = str(part["note"])
    return f"{told[0].upper()}{told[1:]}" if alone else f"{part['name']}: {told}"


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
