"""The page from run directories that no run has written, and what it says where there are none."""

import re
import shutil
from pathlib import Path

import matplotlib.image
import pytest

from experiments.fabricated import MACHINE, curve, fabricate, study
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.experiments import studies
from steelyard.experiments.harness import results_page
from steelyard.experiments.harness.results_page import TOPICS, command_of, facts, held, parts_of, write
from steelyard.experiments.harness.section import Section
from steelyard.experiments.studies import ablation_recent, off_policy
from steelyard.report import read_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two studies: an ablation with three seeds, and the distances with two."""
    root = tmp_path / "runs/results"
    study(root / "ablation-recent", ablation_recent.ABLATION.arms, 0.1, 0.5, 0.9)
    for method, data in off_policy.CASES:
        for seed in (0, 1):
            end = 0.4 if (method, data) == ("reinforce", "uniform") else 0.01
            rows = curve(0.499, 0.2, end, key="eval/total_variation")
            place = root / "off-policy" / f"{method}-{data.replace(' ', '-')}-seed{seed}"
            fabricate(place, rows, seed=seed, total_variation_before=0.499, total_variation=end,
                      total_variation_lowest=end)  # fmt: skip
    return root


def test_every_study_with_a_section_is_in_one_topic_and_every_topic_names_studies():
    listed = [name for topic in TOPICS.values() for name in topic]
    assert sorted(listed) == sorted(set(listed)) == sorted(held())
    assert set(held()) == set(studies.names())
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    named = re.search(r"^STUDIES \?= ((?:.*\\\n)*.*)", makefile, re.MULTILINE)
    given = re.search(r"^MODEL_STUDIES := (.*)", makefile, re.MULTILINE)
    assert named is not None
    assert given is not None
    # What make studies runs, by itself or with a model of the user's, is what the page shows.
    assert [*given[1].split(), *named[1].replace("\\", " ").split()] == listed


def test_the_command_of_a_study_says_what_the_user_has_to_give():
    assert command_of("lag") == "steelyard study lag --output-dir runs/results/lag"
    assert command_of("pretrained") == (
        "steelyard study pretrained --model DIR --peer-python PYTHON --output-dir runs/results/pretrained"
    )


def test_the_page_holds_what_each_study_found(root: Path, tmp_path: Path):
    page = tmp_path / "docs/results.md"
    page.parent.mkdir()
    written = write(root, page)
    text = page.read_text()
    assert [*written.found] == ["ablation-recent", "off-policy"]
    for topic in TOPICS:
        assert f"\n## {topic}\n" in text
    assert "### The minimiser is pi* whoever sampled the data" in text
    assert "| vargrad-tb | uniform | 0.499 | 0.010 | 0.010 |" in text
    assert "- **shown**: REINFORCE on uniform data ends above 0.2 in every seed: at least 0.400" in text
    assert f"`{command_of('off-policy')}`" in text
    assert (
        f"2 seeds (0, 1); 10 runs; 5 min 0 s of runs, one after another; 5,000 trajectories; {MACHINE}; commit 0123456."
        in text
    )
    assert "| the paper | here |" in text
    for name in ("ablation-recent", "off-policy"):
        assert f"](results/{name}.png)" in text
        assert matplotlib.image.imread(page.parent / f"results/{name}.png")[..., :3].std() > 0.01


def test_a_study_that_was_not_run_is_named_with_its_command(root: Path, tmp_path: Path):
    written = write(root, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert set(written.missing) == set(held()) - {"ablation-recent", "off-policy"}
    assert not written.kept
    for name in written.missing:
        assert f"Not run here: `{command_of(name)}`." in text


def test_a_study_whose_runs_are_elsewhere_keeps_its_section(root: Path, tmp_path: Path):
    page = tmp_path / "results.md"
    write(root, page)
    whole, parts = page.read_text(), parts_of(page.read_text())
    assert [*parts] == ["ablation-recent", "off-policy"]
    shutil.rmtree(root / "ablation-recent")
    written = write(root, page)
    assert written.kept == ["ablation-recent"]
    assert page.read_text() == whole  # its row of the overview, verdicts included, comes from the kept section
    shutil.rmtree(root / "off-policy/reinforce-uniform-seed1")
    with pytest.raises(SteelyardError):
        write(root, page)
    assert page.read_text() == whole


def test_made_twice_it_is_the_same(root: Path, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(root, tmp_path / name / "results.md")
    one, two = (sorted((tmp_path / name).rglob("*.*")) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert len(one) == 3


def test_every_table_of_the_page_is_whole(root: Path, tmp_path: Path):
    write(root, tmp_path / "page.md")
    tables = re.findall(r"(?:^\|.*\n)+", (tmp_path / "page.md").read_text(), re.MULTILINE)
    assert len(tables) >= 4
    for lines in (table.splitlines() for table in tables):
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_facts_name_every_machine_and_say_where_none_was_recorded(tmp_path: Path):
    old = read_run(fabricate(tmp_path / "old", curve(0.1), config={"machine": None, "commit": None}))
    new = read_run(fabricate(tmp_path / "new", curve(0.1), seed=7, seconds=3600.0))
    assert facts([old]) == "1 seed (0); 1 run; 30 s of runs, one after another; 500 trajectories; machine not recorded."
    assert facts([old, new]) == (
        f"2 seeds (0, 7); 2 runs; 1 h 0 min of runs, one after another; 1,000 trajectories; {MACHINE}; "
        "machine not recorded; commit 0123456."
    )


def test_a_study_without_runs_of_its_own_has_its_command_alone():
    """One that measures otherwise and keeps a record says in its text where it ran."""
    section = Section("Speed", "Measured on a machine.", ["", "s"], [["ours", "1"]])
    part = results_page.part("wall-clock", section, Path("runs/results/wall-clock"), "results")
    assert part.endswith("| ours | 1 |\n\n`steelyard study wall-clock --output-dir runs/results/wall-clock`")
    page = results_page.text({"wall-clock": part})
    assert f"<!-- wall-clock -->\n{part}\n<!-- /wall-clock -->\n\n## Pref" in page
    assert "| `wall-clock` | Speed | no claim |" in page


def test_the_command(root: Path, tmp_path: Path, capsys):
    page = tmp_path / "results.md"
    assert main(["results", "--directory", str(root), "--page", str(page), "--json"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"written: {page}; not run here: ")
    assert '"off-policy": true' in said[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--directory nowhere", "nowhere: is not a directory; name the directory that make studies wrote"),
        ("--directory empty", "empty: holds no study; name the directory that make studies wrote"),
        ("--page nowhere/results.md", "nowhere/results.md: cannot be written; name a file that ends in .md"),
        ("--page results", "results: cannot be written; name a file that ends in .md"),
    ],
)
def test_wrong_input_is_one_line(words, said, root, monkeypatch, capsys):
    monkeypatch.chdir(root.parent.parent)
    Path("empty").mkdir()
    assert main(["results", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "runs"]


def test_a_study_that_was_cut_short_writes_nothing(root: Path, tmp_path: Path):
    (root / "off-policy/reinforce-uniform-seed1/result.json").unlink()
    with pytest.raises(
        SteelyardError, match=r"reinforce-uniform-seed1: has not reached its end; begin the study again"
    ):
        write(root, tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()


def test_a_study_in_no_topic_would_be_found(monkeypatch):
    monkeypatch.setitem(results_page.TOPICS, "Exactness", ("exact",))
    with pytest.raises(AssertionError):
        test_every_study_with_a_section_is_in_one_topic_and_every_topic_names_studies()
