"""Studies' sections from run directories that no run has written: the verdicts can fail."""

import json
from pathlib import Path

import matplotlib.image
import pytest

from experiments.fabricated import curve, fabricate
from steelyard.core import SteelyardError
from steelyard.experiments.studies import off_policy, seeds, styles

SHARES = {"left": 0.4, "right": 0.1, "tens": 0.4, "pairs": 0.1}


def styled(*accuracies: float, shares=SHARES):
    return [{**row, "eval/styles": shares, "eval/correct_styles": shares} for row in curve(*accuracies)]


def demo(root: Path, seed: int, *, seconds: float = 12.0, after: float = 0.99) -> None:
    place = fabricate(
        root / f"seed{seed}", styled(0.1, 0.5, after), seed=seed, seconds=seconds, accuracy_before=0.1,
        accuracy_after=after, staleness_max=20, learner_idle=0.05, searcher_idle=0.0,
    )  # fmt: skip
    timing = [{"step": step, "seconds": step / 2} for step in range(1, 21)]
    (place / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))


def drawn(section, tmp_path: Path) -> float:
    section.draw(tmp_path / "picture.png")
    return float(matplotlib.image.imread(tmp_path / "picture.png")[..., :3].std())


def test_seeds_reads_when_90_percent_was_reached(tmp_path: Path):
    """At the evaluation of step 20, which was made 10 s after the first."""
    for seed in (0, 1):
        demo(tmp_path / "runs", seed)
    section = seeds.section(tmp_path / "runs")
    row = ["0.100", "0.990", "20", "10.0", "12.0", "2.5 / 20", "0.05 / 0.00", "0.40 / 0.10 / 0.40 / 0.10"]
    assert section.rows == [["seed0", *row], ["seed1", *row]]
    assert section.shown
    assert drawn(section, tmp_path) > 0.01


@pytest.mark.parametrize("spoiled", [{"seconds": 61.0}, {"after": 0.89}])
def test_one_slow_or_weak_seed_fails_the_demo(tmp_path: Path, spoiled):
    demo(tmp_path, 0)
    demo(tmp_path, 1, **spoiled)
    assert not seeds.section(tmp_path).shown


def test_a_directory_without_seeds(tmp_path: Path):
    with pytest.raises(SteelyardError, match="holds no runs of this study"):
        seeds.section(tmp_path)


@pytest.mark.parametrize(("shares", "shown"), [(SHARES, True), ({"left": 0.9, "tens": 0.06, "pairs": 0.04}, False)])
def test_styles_counts_those_above_5_percent(tmp_path: Path, shares, shown):
    for method in styles.METHODS:
        fabricate(tmp_path / f"runs/{method}-seed4", styled(0.1, 0.92, 0.99, shares=shares), seed=4)
    section = styles.section(tmp_path / "runs")
    assert section.rows[0][:3] == ["vargrad-tb", "10", "0.990"]
    assert section.shown is shown
    assert drawn(section, tmp_path) > 0.01


@pytest.mark.parametrize(
    ("case", "end", "verdicts"),
    [
        (None, 0.0, [True, True, True, True]),
        (("vargrad-tb", "uniform"), 0.06, [True, False, True, True]),
        (("reinforce", "uniform"), 0.19, [True, True, True, False]),
    ],
)
def test_off_policy_judges_every_seed(tmp_path: Path, case, end, verdicts):
    """In one seed of one case the end is another; the median would not show it."""
    for method, data in off_policy.CASES:
        for seed in range(3):
            good = 0.4 if (method, data) == ("reinforce", "uniform") else 0.02
            value = end if (method, data) == case and seed == 1 else good
            fabricate(
                tmp_path / "runs" / f"{method}-{data.replace(' ', '-')}-seed{seed}",
                curve(0.5, value, key="eval/total_variation"), seed=seed, total_variation_before=0.5,
                total_variation=value, total_variation_lowest=value,
            )  # fmt: skip
    section = off_policy.section(tmp_path / "runs")
    assert [claim.shown for claim in section.claims] == verdicts
    assert section.rows[0][:4] == ["vargrad-tb", "on-policy", "0.500", "0.020"]
    assert drawn(section, tmp_path) > 0.01
