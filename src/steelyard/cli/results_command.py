"""`steelyard results`: the page of results, written again from the studies' run directories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.cli.flags import parse
from steelyard.experiments.harness import results_page


@dataclass(frozen=True)
class Results:
    """Write what the studies found as a page of Markdown with pictures; nothing is trained for it.

    A study that is not in the directory keeps the section that the page has of it.
    Studies are run by steelyard study NAME --output-dir runs/results/NAME, or all of them by make studies.
    """

    directory: str = "runs/results"
    """Where the studies' directories are, each called by its study's name."""
    page: str = "docs/results.md"
    """The page; its pictures go to a directory beside it."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Write the page."""
    asked = parse(Results, words, command="results")
    page = Path(asked.page)
    written = results_page.write(Path(asked.directory), page)
    left = {"kept as it was": written.kept, "not run here": written.missing}
    print("; ".join([f"written: {page}", *(f"{how}: {', '.join(names)}" for how, names in left.items() if names)]))
    shown = {name: section.shown for name, section in written.found.items()}
    return {"page": str(page), "shown": shown, "kept": [*written.kept], "missing": [*written.missing]}
