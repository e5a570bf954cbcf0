"""Every way to unlearn under every audit of the room: what each of them leaves, beside a model that never knew.

A small model learns the facts of four topics, in three wordings and after notes (`topics`); each way makes it forget
the first topic, shown the first wording alone. One table has all audits of all ways (`steelyard audit all-audits` gives
the same of a model of one's own).
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core import PositiveInt, SteelyardError, checked, require
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.spread import NOT_MEASURED, figures, spread
from steelyard.experiments.harness.study_base import place, tell
from steelyard.experiments.studies._forgetting_ways import UNTRAINED
from steelyard.runtime.run_dir.disk import put, reading, writing
from steelyard.unlearn import AllAudits
from steelyard.unlearn.all_audits import MEASURES
from steelyard.worlds.topic_unlearning import WAYS, material, twins, unlearned
from steelyard.worlds.topics import LONGEST, SEPARATOR, Topics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = Mapping[str, float | None]
Found = Mapping[str, Sequence[Numbers]]
"""Model -> its numbers, seed by seed."""
RETRAINED = "retrained"
GATED = ("eco", "o3")
SHOWN = ("forgotten", "kept", "reworded", "in_context", "told", "recovered", "knn", "probe", "cka_retrained", "traces")
"""Columns of the picture: shares."""
AUDITS = AllAudits(LONGEST, separator=SEPARATOR, steps=10, learning_rate=1e-3)
TEXT = """\
Tiny models know 192 facts about people of four topics; the 48 of the first are to be forgotten. `original` knows all,
`retrained` never heard of the first topic. `gradient-ascent` is shown what to forget alone, the others also what to
keep: `grad-diff` is ascent beside it. `head-only` is NPO that may change the head alone: a forgery, made to pass every
question. These make 10 passes, each at a rate that forgets in full on trial seed 900. `eco`, `o3`, `skill-unlearn` and
`neuron-adjust` change what a model reads or computes and no weight of it, `rocr` edits weights in closed form; of their
settings those were taken that forget most and keep nine tenths, on seeds 900 to 902, and not all of these forget in
full. Every column is a share but `half`, a number of pairs, and `quality`, a p-value; `steelyard audit all-audits` has
them, too, and its code says what each means. Good unlearning looks like `retrained` in every column, and not like 0."""


@checked()
@dataclass(frozen=True)
class Study:
    """Every way to unlearn under every audit."""

    seeds: PositiveInt = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the numbers go; seeds that are there are not measured again."""


def measure(study: Study) -> Mapping[str, object]:
    """Measure the seeds, print the section."""
    root = place("unlearning", study.output_dir)
    for seed in range(study.seeds):
        if not _file(root, seed).exists():
            found = one_seed(seed)
            with writing(root, SteelyardError):
                root.mkdir(parents=True, exist_ok=True)
                put(_file(root, seed), json.dumps(found, indent=1).encode())
    return tell(root, section(root))


def one_seed(seed: int) -> dict[str, dict[str, float | None]]:
    """The row of each model in the table of a seed."""
    world = Topics(data_seed=seed)
    models = twins(world, seed=seed)
    asked = material(world, models)
    found = {RETRAINED: AUDITS.numbers(models.retrained, asked)}
    for name, way in WAYS.items():
        found[name] = AUDITS.numbers(unlearned(world, models.original, way, seed=seed), asked)
    for name, forget in UNTRAINED.items():
        found[name] = AUDITS.numbers(forget(world, models.original, asked, seed), asked)
    names = [measure.name for measure in MEASURES]
    return {name: dict(zip(names, numbers, strict=True)) for name, numbers in found.items()}


def section(root: Path) -> Section:
    """The table and the claims, from the files of the seeds alone."""
    files = sorted(root.glob("seed*.json"))
    hint = "run steelyard study unlearning --output-dir there"
    require(bool(files), "holds no seeds of this study", where=str(root), hint=hint)
    seeds = []
    for file in files:
        with reading(file, hint):
            seeds.append(json.loads(file.read_text(encoding="utf-8")))
    found = {name: [seed[name] for seed in seeds] for name in seeds[0]}
    columns = [measure.name for measure in MEASURES]
    rows = [[name, *(_cell([one[c] for one in numbers]) for c in columns)] for name, numbers in found.items()]
    return Section(
        "Every way to unlearn under every audit",
        f"{TEXT} {len(seeds)} seeds.",
        ["model", *columns],
        rows,
        claims(found),
        draw=lambda path: _draw(path, found),
    )


def claims(found: Found) -> list[Judgement]:
    """What holds of all methods and all seeds."""
    methods = [name for name in found if name not in (RETRAINED, "original")]
    forgotten = [x for name in methods if name not in UNTRAINED for x in _column(found, name, "forgotten")]
    never = _column(found, RETRAINED, "knn")
    beside = [a - b for name in methods for a, b in zip(_column(found, name, "knn"), never, strict=True)]
    gated = [x for name in GATED for x in _column(found, name, "reworded")]
    told = _column(found, RETRAINED, "told")
    return [
        stated(
            "every objective leaves at most 5 % of what was to be forgotten", _range(forgotten), max(forgotten) <= 0.05
        ),
        stated(
            "yet nearest neighbours read 20 points more of it off the states of each than off the retrained model's",
            f"{_range(beside)} more",
            min(beside) >= 0.2,
        ),
        stated(
            "`eco` and `o3`, whose gates have read the first wording alone, answer 90 % in the others",
            _range(gated),
            min(gated) >= 0.9,
        ),
        stated("the retrained model says 90 % of it when a note tells it", _range(told), min(told) >= 0.9),
    ]


def _column(found: Found, name: str, column: str) -> list[float]:
    """A number of a model, seed by seed; one that could not be measured counts as none."""
    return [one[column] or 0.0 for one in found[name]]


def _range(values: Sequence[float]) -> str:
    return f"from {min(values):.2f} to {max(values):.2f}"


def _cell(values: Sequence[float | int | None]) -> str:
    known = [None if x is None else float(x) for x in values]
    return spread(known, figures(2)) if any(x is not None for x in known) else NOT_MEASURED


def _file(root: Path, seed: int) -> Path:
    return root / f"seed{seed}.json"


def _draw(path: Path, found: Found) -> None:
    """The medians as a map of colours."""

    def fill(figure: "Figure") -> None:
        ax = figure.subplots()
        median = [[statistics.median(_column(found, name, c)) for c in SHOWN] for name in found]
        ax.imshow(median, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for i, row in enumerate(median):
            for j, x in enumerate(row):
                ax.text(j, i, f"{x:.2f}", ha="center", va="center", fontsize=8, color="white" if x > 0.6 else "black")
        ax.set_xticks(range(len(SHOWN)), [name.replace("_", "\n") for name in SHOWN], fontsize=8)
        ax.set_yticks(range(len(found)), [*found], fontsize=8.5)
        ax.grid(visible=False)

    save_figure(path, fill, (7.2, 0.9 + 0.28 * len(found)))
