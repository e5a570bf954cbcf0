"""Writes the tables of docs/verifiers.md from the cheats and honest answers of the tests: run this file."""

from pathlib import Path

from answer_cases import Case
from cheats import CHEATS
from honest import BY_VALUE, HONEST

PAGE = Path(__file__).parents[2] / "docs/verifiers.md"
_SHOWN = 60


def cell(text: str) -> str:
    """A text as code in a cell of a table; long ones are cut, and what cannot be printed is written as an escape."""
    shown = text.encode("unicode_escape").decode() if not text.replace("\n", "").isprintable() else text
    shown = shown.replace("\n", "\\n")
    if len(shown) > _SHOWN:
        shown = f"{shown[: _SHOWN - 1]}…"
    shown = shown.replace("|", "\\|")
    fence = "``" if "`" in shown else "`"
    pad = " " if "`" in shown or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else "(nothing)"


def row(case: Case) -> str:
    """A line of a table."""
    settings = "".join(f"; {name} {value}".lower() for name, value in case.settings)
    ends = f"; finish {case.finish}" if case.finish else ""
    said = "anywhere" if case.dressed else "as it stands"
    return f"| {case.name} | {cell(str(case.answer))} | {cell(case.completion)} | {said}{ends}{settings} |"


def table(cases: list[Case]) -> str:
    """All lines of a table."""
    head = "| name | right answer | completion | tried |\n|---|---|---|---|"
    return "\n".join([head, *map(row, cases)])


def page(text: str) -> str:
    """The page with its tables as the tests have them."""
    for name, cases in (("cheats", CHEATS), ("honest", HONEST + BY_VALUE)):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{table(cases)}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
