"""`steelyard repeat RUN`: execute an inline run again and compare it with its event log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten

from steelyard.cli.flags import RunDirectory, parse
from steelyard.core import FaultError
from steelyard.runtime.inline.repeat import repeat


@dataclass(frozen=True)
class Repeat:
    """Execute an inline run again from its settings and compare each event with its events.jsonl.

    This also works for a run that was killed and resumed, because such a run equals an undisturbed one. The run
    directory is not changed.
    """

    run: RunDirectory
    """Directory of a run made with --runtime inline."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Repeat the run and say whether all events are equal."""
    asked = parse(Repeat, words, command="repeat")
    found = repeat(Path(asked.run))
    if (apart := found.divergence) is not None:
        recorded, repeated = (shorten(str(row), 400, placeholder=" ...") for row in (apart.recorded, apart.repeated))
        raise FaultError(
            f"differs: recorded {recorded}, repeated {repeated}",
            where=f"event {apart.event}",
            hint="compare machine, torch, threads and commit: a run repeats bit for bit only where all four are equal",
        )
    print(f"{found.events} events, all equal")
    return {"run_dir": asked.run, "events": found.events, "divergence": asdict(found)["divergence"]}
