"""docs/worlds.md: the shelf of worlds with what was measured of each; written from data sheets and records."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from steelyard.experiments.harness.table import markdown
from steelyard.experiments.harness.world_record import Measured, shipped
from steelyard.worlds import shelf
from steelyard.worlds.contract import Property

OPENING = """# Worlds

A proof starts by choosing a world from this page. A world is small, invented, and known exactly where that is possible;
its model begins where the methods differ. `steelyard worlds` prints the tables, `steelyard worlds NAME` a data sheet,
`steelyard worlds NAME --measure` measures again, on seeds from 900, and `steelyard worlds --page docs/worlds.md` writes
this page. Numbers are means ± standard deviations over three seeds; gains are points of the score. *What matters* lists
the properties by which a method can gain or lose there: to show that yours uses old data well, say, take a world where
old data matter. The learning rate is one for all arms and was not tuned, so a gain is a lower bound; a collapse is one
at three times that rate. Every number of every seed is in [evidence/worlds](evidence/worlds)."""
KINDS = {
    "text": "## Text: a task, and the model that post-training begins with",
    "labelled": "## Labelled: texts and images with classes",
    "control": "## Control: states, actions and delays",
}
NOT_MEASURED = "not measured"


def write(path: Path) -> None:
    """Write the page.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(text(), encoding="utf-8")


def text() -> str:
    """The page."""
    names = shelf.names()
    parts = [OPENING, markdown(("property", "worlds where it matters"), by_property())]
    for kind, title in KINDS.items():
        held = [name for name in names if shelf.load(name).kind == kind]
        if held:
            parts += [title, markdown(*table(held))]
    parts.append("## Data sheets")
    for name in names:
        parts += _sheet(name)
    return "\n\n".join(parts) + "\n"


def table(names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of worlds of one kind."""
    columns = shelf.load(names[0]).columns if names else ()
    known = shipped()
    rows = []
    for name in names:
        if name not in known:
            rows.append([name, *[NOT_MEASURED] * len(columns), "", ""])
            continue
        found = {p.name: p for p in known[name].properties}
        cells = [found[column].value if column in found else "-" for column in columns]
        rows.append([name, *cells, matters(known[name]), f"{known[name].core_minutes:.1f}"])
    return ["world", *columns, "what matters", "core minutes"], rows


def matters(measured: Measured) -> str:
    """The properties by which a method can gain or lose, besides those that are columns."""
    columns = ("GRPO", "RFT", "SFT")
    return ", ".join(p.name for p in measured.properties if p.matters and p.name not in columns)


def by_property() -> list[tuple[str, str]]:
    """Each property by which a method can gain or lose somewhere, with the worlds where it can."""
    found: dict[str, list[str]] = {}
    for name, measured in shipped().items():
        for one in measured.properties:
            if one.matters:
                found.setdefault(one.name, []).append(f"`{name}`")
    return [(name, ", ".join(held)) for name, held in found.items()]


def _sheet(name: str) -> Iterator[str]:
    yield f"### {name}"
    yield f"```text\n{shelf.sheet(name)}\n```"
    measured = shipped().get(name)
    if measured is None:
        yield f"{NOT_MEASURED}: `steelyard worlds {name} --measure`"
        return
    yield markdown(("property", "found", "matters", "what was compared"), map(row, measured.properties))
    seeds = ", ".join(map(str, measured.seeds))
    yield f"Seeds {seeds}; {measured.core_minutes:.1f} core minutes; {measured.date}."


def row(found: Property) -> tuple[str, str, str, str]:
    """A property as a row of a table."""
    said = {True: "yes", False: "no", None: ""}[found.matters]
    return found.name, found.value, said, found.why
