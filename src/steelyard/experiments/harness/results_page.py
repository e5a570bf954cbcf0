"""docs/results.md: what every study found, written from its run directories alone; nothing is trained for it.

A study whose directory is not there keeps the section that the page has of it, between `<!-- NAME -->` and
`<!-- /NAME -->`: all studies together take hours, and need not be run again for one that changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.experiments import studies
from steelyard.experiments.harness.run_index import directories, ended
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.table import markdown, numbers_right
from steelyard.report import RunRecords
from steelyard.report.format import duration
from steelyard.runtime.run_dir.disk import put, writing

TOPICS: Mapping[str, Sequence[str]] = {
    "A pretrained model": ("pretrained",),
    "Mathematics": ("lag", "diverse", "wall-clock", "styles", "seeds"),
    "Preference tuning": ("preference", "preference-recurring"),
    "Red-teaming": ("red-team", "red-team-scale", "red-team-families"),
    "Unlearning": ("unlearning",),
    "Ablations": (
        "ablation-recent", "ablation-sync", "ablation-beta", "ablation-samples", "ablation-searchers",
        "ablation-buffer", "ablation-priority",
    ),
    "Reuse of data": ("frontier", "frontier-answers", "frontier-sparse"),
    "Exactness": ("exact", "off-policy"),
}  # fmt: skip
OPENING = """# Results

What the paper claims for its three tasks, measured here: `make studies` runs every study, `make results` writes each
section of this page from that study's run directories alone, and keeps those of studies that were run elsewhere. Each
claim was stated before its runs and can fail; numbers are medians [lowest, highest] over the seeds. The paper's own
numbers come from other models on other machines: compare directions, not values. The claims of an ablation are findings
of the paper: *not shown* means that it came out otherwise here, or that the seeds disagree. Seconds are those of a run
that shared its two cores with another and with whoever worked there: they say what a run costs, not what is faster."""


def held() -> list[str]:
    """The studies that have a section, as `steelyard study` names them."""
    return [name for name in studies.names() if hasattr(studies.find(name), "section")]


@dataclass(frozen=True)
class Written:
    """What became of each study."""

    found: Mapping[str, Section]
    """The sections written anew, by name."""
    kept: Sequence[str]
    """Studies that were not run here, whose sections the page had and keeps."""
    missing: Sequence[str]
    """Studies of which there is nothing."""


def write(root: Path, page: Path) -> Written:
    """Write the page, and the pictures into a directory beside it that has its name.

    Args:
        root: where the studies' directories are, each called by its study's name.
        page: the file; what is there is replaced, but for sections of studies that are not in `root`.

    Raises:
        SteelyardError: there is no such directory, a run in it is unfinished or damaged, or the page cannot be read or
            written.
    """
    known = held()
    listed = [name for topic in TOPICS.values() for name in topic if name in known]
    _check(root, page, listed)
    found = {n: studies.find(n).section(root / n) for n in listed if (root / n).is_dir()}
    pictures = page.with_suffix("")
    with writing(page, SteelyardError):
        before = parts_of(page.read_text()) if page.is_file() else {}
        pictures.mkdir(parents=True, exist_ok=True)
        for name, section in found.items():
            if section.draw is not None:
                section.draw(pictures / f"{name}.png")
        new = {name: part(name, section, root / name, pictures.name) for name, section in found.items()}
        put(page, text({name: (before | new).get(name) for name in listed}).encode())
    absent = [name for name in listed if name not in found]
    return Written(found, [n for n in absent if n in before], [n for n in absent if n not in before])


def _check(root: Path, page: Path, listed: Sequence[str]) -> None:
    """Refuse before anything is read what could not be written, and a directory without a study."""
    hint = "name the directory that make studies wrote, such as runs/results"
    require(root.is_dir(), "is not a directory", where=str(root), hint=hint)
    require(any((root / name).is_dir() for name in listed), "holds no study", where=str(root), hint=hint)
    able = page.suffix == ".md" and page.parent.is_dir() and not page.is_dir()
    hint = "name a file that ends in .md, in a directory that is there, such as docs/results.md"
    require(able, "cannot be written", where=str(page), hint=hint)


def text(parts: Mapping[str, str | None]) -> str:
    """The page of these parts, by the name of their study; None for one that was not run."""
    blocks = [OPENING, _overview(parts)]
    for topic, listed in TOPICS.items():
        blocks.append(f"## {topic}")
        blocks += [_block(name, parts[name]) for name in listed if name in parts]
    return "\n\n".join(blocks) + "\n"


def parts_of(page: str) -> dict[str, str]:
    """Each study's part of a page, by its name."""
    return dict(re.findall(r"^<!-- ([\w-]+) -->\n(.*?)\n<!-- /\1 -->$", page, re.DOTALL | re.MULTILINE))


def command_of(name: str) -> str:
    """What runs a study for the page; `ARGUMENTS` of its module says what it needs of the user."""
    given = getattr(studies.find(name), "ARGUMENTS", "")
    return " ".join(filter(None, ("steelyard study", name, given, f"--output-dir runs/results/{name}")))


def _block(name: str, part: str | None) -> str:
    if part is None:
        return f"### {name}\n\nNot run here: `{command_of(name)}`."
    return f"<!-- {name} -->\n{part}\n<!-- /{name} -->"


def _overview(parts: Mapping[str, str | None]) -> str:
    rows = [[f"`{name}`", *_count(name, part)] for name, part in parts.items()]
    return markdown(["study", "what it shows", "claims shown"], rows, numbers_right(rows))


def _count(name: str, part: str | None) -> tuple[str, str]:
    if part is None:
        return studies.summaries()[name].rstrip("."), "not run here"
    title = part.partition("\n")[0].removeprefix("### ")
    verdicts = re.findall(r"^- \*\*(shown|not shown)\*\*: ", part, re.MULTILINE)
    return title, f"{verdicts.count('shown')} of {len(verdicts)}" if verdicts else "no claim"


def part(name: str, section: Section, directory: Path, pictures: str) -> str:
    """A study's part of the page.

    Args:
        name: of the study.
        section: what it shows.
        directory: of its runs.
        pictures: where pictures are, from the page.
    """
    return "\n\n".join(_part(name, section, directory, pictures))


def _part(name: str, section: Section, directory: Path, pictures: str) -> Iterator[str]:
    yield f"### {section.title}"
    yield section.text
    yield markdown(section.columns, section.rows, numbers_right(section.rows))
    if section.claims:
        yield "\n".join(f"- **{claim.verdict}**: {claim.text}: {claim.measured}" for claim in section.claims)
    if section.paper:
        yield "In the paper:"
        yield markdown(section.paper[0], section.paper[1:], numbers_right(section.paper[1:]))
    if section.draw is not None:
        yield f"![{section.title}]({pictures}/{name}.png)"
    runs = [ended(run) for run in directories(directory)]
    yield f"`{command_of(name)}`" + (f"  \n{facts(runs)}" if runs else "")  # one that keeps a record says its facts


def facts(runs: Sequence[RunRecords]) -> str:
    """Seeds, runs, time, samples and machine, of runs that have ended."""
    seeds = sorted({run.config["seed"] for run in runs})
    results = [run.result or {} for run in runs]
    spent, samples = (sum(result.get(key) or 0 for result in results) for key in ("seconds", "trajectories"))
    said = [
        f"{_plural(len(seeds), 'seed')} ({_listed(seeds)})",
        _plural(len(runs), "run"),
        f"{duration(spent)} of runs, one after another",
        f"{samples:,} trajectories",
        *_each(run.config.get("machine") or "machine not recorded" for run in runs),
        *(f"commit {commit[:7]}" for commit in _each(run.config.get("commit") or "" for run in runs) if commit),
    ]
    return "; ".join(said) + "."


def _each(values: Iterable[str]) -> list[str]:
    """The different ones, sorted."""
    return sorted(set(values))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
