"""docs/results.md: what every study found, written from its run directories alone; nothing is trained for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.recipes import studies
from steelyard.recipes.catalogue import module, names, summaries
from steelyard.recipes.kept import directories, ended
from steelyard.recipes.section import Section
from steelyard.report import RunRecords
from steelyard.report.format import duration
from steelyard.runtime.disk import put, writing

TOPICS: Mapping[str, Sequence[str]] = {
    "Mathematics": ("lag", "diverse", "wall-clock", "styles", "seeds"),
    "Preference tuning": ("preference",),
    "Red-teaming": ("red-team", "red-team-scale"),
    "Ablations": (
        "ablation-recent", "ablation-sync", "ablation-beta", "ablation-samples", "ablation-searchers",
        "ablation-buffer", "ablation-priority",
    ),
    "Exactness": ("exact", "off-policy"),
}  # fmt: skip
OPENING = """# Results

What the paper claims for its three tasks, measured here: `make studies` runs every study, `make results` writes this
page from their run directories alone. Each claim was stated before its runs and can fail; numbers are medians
[lowest, highest] over the seeds. The paper's own numbers come from other models on other machines: compare directions,
not values. The claims of an ablation are findings of the paper: *not shown* means that it came out otherwise here, or
that the seeds disagree."""


def held() -> list[str]:
    """The studies that have a section, as `steelyard study` names them."""
    return [name for name in names(studies) if hasattr(module(name, studies), "section")]


def write(root: Path, page: Path) -> dict[str, Section | None]:
    """Write the page, and the pictures into a directory beside it that has its name.

    Args:
        root: where the studies' directories are, each called by its study's name.
        page: the file; what is there is replaced.

    Returns:
        Name -> section, None for a study that was not run here.

    Raises:
        SteelyardError: there is no such directory, a run in it is unfinished or damaged, or the page cannot be written.
    """
    known = held()
    listed = [name for topic in TOPICS.values() for name in topic if name in known]
    _check(root, page, listed)
    found = {n: module(n, studies).section(root / n) if (root / n).is_dir() else None for n in listed}
    pictures = page.with_suffix("")
    with writing(page, SteelyardError):
        pictures.mkdir(parents=True, exist_ok=True)
        for name, section in found.items():
            if section is not None and section.draw is not None:
                section.draw(pictures / f"{name}.png")
        put(page, text(found, root, pictures.name).encode())
    return found


def _check(root: Path, page: Path, listed: Sequence[str]) -> None:
    """Refuse before anything is read what could not be written, and a directory without a study."""
    mend = "name the directory that make studies wrote, such as runs/results"
    require(root.is_dir(), "is not a directory", where=str(root), mend=mend)
    require(any((root / name).is_dir() for name in listed), "holds no study", where=str(root), mend=mend)
    able = page.suffix == ".md" and page.parent.is_dir() and not page.is_dir()
    mend = "name a file that ends in .md, in a directory that is there, such as docs/results.md"
    require(able, "cannot be written", where=str(page), mend=mend)


def text(found: Mapping[str, Section | None], root: Path, pictures: str) -> str:
    """The page.

    Args:
        found: name -> section, None for a study that was not run here.
        root: where the studies' directories are.
        pictures: where pictures are, from the page.
    """
    parts = [OPENING, _overview(found)]
    for topic, listed in TOPICS.items():
        parts.append(f"## {topic}")
        for name in (name for name in listed if name in found):
            parts += _study(name, found[name], root / name, pictures)
    return "\n\n".join(parts) + "\n"


def command_of(name: str) -> str:
    """What runs a study for the page."""
    return f"steelyard study {name} --output-dir runs/results/{name}"


def _overview(found: Mapping[str, Section | None]) -> str:
    return table(
        ["study", "what it shows", "claims shown"], [[f"`{name}`", *_count(name, found[name])] for name in found]
    )


def _count(name: str, section: Section | None) -> tuple[str, str]:
    if section is None:
        return summaries(studies)[name].rstrip("."), "not run here"
    return section.title, f"{sum(claim.shown for claim in section.claims)} of {len(section.claims)}"


def _study(name: str, section: Section | None, root: Path, pictures: str) -> Iterator[str]:
    if section is None:
        yield f"### {name}"
        yield f"Not run here: `{command_of(name)}`."
        return
    yield f"### {section.title}"
    yield section.text
    yield table(section.columns, section.rows)
    if section.claims:
        yield "\n".join(f"- **{claim.verdict}**: {claim.text}: {claim.measured}" for claim in section.claims)
    if section.paper:
        yield "In the paper:"
        yield table(section.paper[0], section.paper[1:])
    if section.draw is not None:
        yield f"![{section.title}]({pictures}/{name}.png)"
    runs = [ended(directory) for directory in directories(root)]
    yield f"`{command_of(name)}`" + (f"  \n{facts(runs)}" if runs else "")  # one that keeps a record says its facts


def facts(runs: Sequence[RunRecords]) -> str:
    """Seeds, runs, time, samples and machine, of runs that have ended."""
    seeds = sorted({run.config["seed"] for run in runs})
    results = [run.result or {} for run in runs]
    spent, samples = (sum(result.get(key) or 0 for result in results) for key in ("seconds", "trajectories"))
    said = [
        f"{_plural(len(seeds), 'seed')} ({_listed(seeds)})", _plural(len(runs), "run"),
        f"{duration(spent)} of runs, one after another", f"{samples:,} trajectories",
        *_each(run.config.get("machine") or "machine not recorded" for run in runs),
        *(f"commit {commit[:7]}" for commit in _each(run.config.get("commit") or "" for run in runs) if commit),
    ]  # fmt: skip
    return "; ".join(said) + "."


def _each(values: Iterable[str]) -> list[str]:
    """The different ones, sorted."""
    return sorted(set(values))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; columns of numbers stand right."""
    rule = ["---:" if all(map(_is_number, column)) else "---" for column in zip(*rows, strict=True)]
    every = [head, rule or ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in every)


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-.")[:1].isdigit() or cell in ("never", "–", "")
