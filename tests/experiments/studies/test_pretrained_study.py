from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness.processes import keep
from steelyard.experiments.studies._pretrained_cells import Ask, Cell, Point, Side, carry_out
from steelyard.experiments.studies.pretrained import RATES, Study, _best, measure, run_of, section
from steelyard.recipes.arithmetic import RECIPE
from steelyard.runtime import HeldOut


def cell(side: Side, rate: float, seed: int, *accuracies: float, seconds: float = 10.0, samples: int = 32) -> Cell:
    """A run that was measured every so many seconds and samples."""
    points = [Point(i, i * seconds, i * samples, a, 0.5) for i, a in enumerate(accuracies)]
    texts = [("One.\n\nWho is it?\nThe name is", " Bob and", " Ann")]
    return Cell(Ask(side, rate, seed, 5.0), {}, "a machine", points, texts, len(points) - 1)


def place(root: Path, *cells: Cell) -> None:
    for i, each in enumerate(cells):
        keep(root / f"{i}.json", each)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place(tmp_path / "tuning", *(cell(side, rate, 900, 0.2, 0.4) for side in ("TB", "GRPO") for rate in RATES))
    ours = [cell("TB", 1e-3, seed, 0.2, 0.4, 0.6, 0.7) for seed in (0, 1)]
    theirs = [cell("GRPO", 1e-3, seed, 0.2, 0.3, 0.55, seconds=30.0) for seed in (0, 1)]
    place(tmp_path / "runs", *ours, *theirs)
    place(tmp_path / "two-terms", cell("TB", 1e-3, 0, 0.3, 0.3))
    return tmp_path


def test_the_section_reads_seconds_and_samples_off_the_same_curves(root: Path):
    found = section(root)
    ours, theirs, other = (dict(zip(found.columns, row, strict=True)) for row in found.rows)
    assert (ours["before"], ours["after"], ours["s to 50 %"], ours["samples to 50 %"]) == ("20%", "70%", "15", "48")
    assert (theirs["after"], theirs["s to 50 %"], theirs["samples/s"]) == ("55%", "54", "1.1")
    assert (other["after"], other["s to 50 %"]) == ("30%", "never")
    assert [claim.shown for claim in found.claims] == [True, True, True]
    assert found.claims[2].measured.startswith("+5 points")  # at 64 samples: .60 and .55
    assert "| Who is it? The name is | ` Bob and` | ` Ann` |" in found.text


def test_claims_can_fail(root: Path):
    behind = [cell("TB", 1e-3, seed, 0.2, 0.2, 0.2, 0.39, seconds=200.0) for seed in (0, 1)]
    place(root / "runs", *behind)
    found = section(root)
    assert [claim.shown for claim in found.claims] == [False, False, False]
    assert found.claims[1].measured == "seconds of TB: never; of GRPO: 54"


def test_a_picture_is_drawn(root: Path, tmp_path: Path):
    draw = section(root).draw
    assert draw is not None
    draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_the_rate_of_the_highest_mean_accuracy_is_taken():
    cells = [
        cell("TB", 3e-4, 900, 0.2, 0.3, 0.6),
        cell("TB", 1e-3, 900, 0.2, 0.5, 0.5),
        cell("GRPO", 3e-3, 900, 0.2, 0.1),
    ]
    assert _best({each.asked: each for each in [*cells, cell("GRPO", 1e-3, 900, 0.9, 0.05)]}) == {
        "TB": 1e-3,
        "GRPO": 3e-3,
    }


@pytest.mark.long  # a model of many more words
def test_a_run_is_trained_for_its_time_measured_and_kept(tmp_path: Path):
    # Stop strings are a tuple here and a list in the file that is kept.
    run = replace(RECIPE, stop=("pp",), evaluation=HeldOut(prompts=16, sampled_prompts=4, samples=2))
    ask = Ask("TB", 1e-4, 0, 0.04)
    said: list[str] = []
    found = carry_out([ask], run, None, tmp_path, said.append)[ask]
    assert found.points[0].samples == 0
    assert found.points[-1].seconds >= 2.4
    assert found.points[-1].step == found.steps
    assert found.points[-1].samples >= 8 * found.steps
    assert len(said) == 2
    assert carry_out([ask], run, None, tmp_path, said.append)[ask] == found
    assert len(said) == 2  # nothing was trained again
    with pytest.raises(SteelyardError, match="was carried out with other settings"):
        carry_out([ask], replace(run, num_prompts=16), None, tmp_path, said.append)


def test_what_is_no_model_is_refused_before_anything_begins(tmp_path: Path):
    with pytest.raises(SteelyardError, match="--model: is no model"):
        measure(Study(model=str(tmp_path), output_dir=str(tmp_path / "study")))
    assert not (tmp_path / "study").exists()


def test_a_directory_without_runs_says_so(tmp_path: Path):
    with pytest.raises(SteelyardError, match="holds no runs of this study"):
        section(tmp_path)


def test_both_sides_end_a_completion_at_its_line():
    run = run_of("needle_haystack", "somewhere")
    assert run.sampling.stop == ("\n",)
    assert (run.num_prompts, run.num_generations, run.lora_rank) == (4, 8, 8)
