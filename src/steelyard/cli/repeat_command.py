"""`steelyard repeat RUN`: run an inline run again and compare it with its log, event by event."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from steelyard.cli.flags import RunDirectory, parse
from steelyard.core import FaultError
from steelyard.runtime.inline.repeat import repeat


@dataclass(frozen=True)
class Repeat:
    """Run an inline run again from its settings, and compare it with its events.jsonl event by event.

    Works for runs that were killed and resumed: they do what an undisturbed run does. Nothing of the run is changed.
    """

    run: RunDirectory
    """The directory of a run made with --runtime inline."""


def run(words: Sequence[str]) -> dict[str, Any]:
    """Repeat, and say whether it came out the same."""
    asked = parse(Repeat, words, command="repeat")
    found = repeat(Path(asked.run))
    if (apart := found.divergence) is not None:
        recorded, repeated = (shorten(str(row), 400, placeholder=" ...") for row in (apart.recorded, apart.repeated))
        raise FaultError(
            f"came out otherwise: recorded {recorded}, repeated {repeated}",
            where=f"event {apart.event}",
            hint="compare machine, torch, threads and commit: only where they are equal do runs repeat bit for bit",
        )
    print(f"{found.events} events, all the same")
    return {"run_dir": asked.run, "events": found.events, "divergence": asdict(found)["divergence"]}
