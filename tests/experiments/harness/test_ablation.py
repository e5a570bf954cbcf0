import importlib
import math
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.fabricated import curve, fabricate, study
from steelyard.core import SteelyardError
from steelyard.experiments import studies
from steelyard.experiments.harness.ablation import Ablation, Finding, Study, fate_of, told
from steelyard.experiments.harness.claim import Claim, SeedsAgree, compare, judge
from steelyard.experiments.harness.run_metrics import RunMetric, final
from steelyard.objective import VarGradTB
from steelyard.report import read_run
from steelyard.runtime import HeldOut, Run
from steelyard.task import Enumerable

ENDS = RunMetric(final("eval/accuracy"))
TINY = Run(
    task=Enumerable(), objective=VarGradTB(beta=0.15), model="steelyard/enumerable", runtime="inline", max_steps=2,
    num_prompts=2, num_generations=8, search_prompts=2, max_completion_length=3, save_steps=0,
    evaluation=HeldOut(every=2, prompts=2, sampled_prompts=1, samples=1),
)  # fmt: skip
MORE = Finding("b is better: 2 against 1", "b", "more than", "a", "late accuracy", 0.005)
ABLATIONS = [name for name in studies.names() if name.startswith("ablation-")]


def grid(**changes) -> Ablation:
    arms = {"a": TINY, "b": replace(TINY, learning_rate=1e-3)}
    return replace(Ablation("ablation-x", "X", "What was run.", "x", arms, (MORE,)), **changes)


def ablation(name: str) -> Ablation:
    return importlib.import_module(f"steelyard.experiments.studies.{name.replace('-', '_')}").ABLATION


@pytest.fixture
def found(tmp_path: Path):
    """`found(a=[...], b=[...])`: arms whose seeds end at these accuracies."""

    def make(**ends):
        return {
            arm: {s: read_run(fabricate(tmp_path / f"{arm}{s}", curve(0.1, end))) for s, end in enumerate(values)}
            for arm, values in ends.items()
        }

    return make


@pytest.mark.parametrize(
    ("a", "says", "by", "verdict"),
    [
        ([0.9, 0.8, 0.85], "more than", 0.1, "agrees"),  # +.2, +.05, +.25 by seed
        ([0.9, 0.8, 0.85], "less than", 0.1, "differs: more here"),
        ([0.9, 0.8, 0.85], "more than", 0.3, "differs: no difference here"),
        ([0.9, 0.8, 0.85], "as much as", 0.3, "agrees"),
        ([0.9, 0.7, 0.85], "more than", 0.1, "unclear: the seeds disagree"),  # one seed the other way
        ([0.9, 0.75, 0.85], "more than", 0.1, "unclear: the seeds disagree"),  # one seed without a difference
        ([0.9, 0.7, 0.85], "as much as", 0.1, "unclear: the seeds disagree"),  # noise is not equality
        ([0.1, 0.2, 0.3], "less than", 0.1, "agrees"),
        ([0.1, 0.2, 0.3], "no more than", 0.1, "agrees"),
        ([0.9, 0.7, 0.85], "no more than", 0.1, "unclear: the seeds disagree"),
        ([0.7, 0.75, 0.6], "no more than", 0.1, "agrees"),
        ([0.9, 0.8, 0.85], "no more than", 0.1, "differs: more here"),
        ([0.1, 0.2, 0.3], "as much as", 0.1, "differs: less here"),
    ],
)  # fmt: skip
def test_a_finding_is_judged_by_paired_seeds(found, a, says, by, verdict):
    finding = Finding("in words", "a", says, "b", "late accuracy", by)
    judged = judge(finding.claim, grid().measured(found(a=a, b=[0.7, 0.75, 0.6])))
    assert fate_of(judged) == verdict
    assert judged.verdict == ("shown" if verdict == "agrees" else "not shown")


def test_what_was_measured_stands_beside_it(found):
    judged = judge(MORE.claim, grid().measured(found(a=[0.9, 0.8, 0.85], b=[0.7, 0.75, 0.6])))
    assert told(judged).measured == "difference -0.200 [-0.250, -0.050]"


def test_never_reached_by_either_is_no_difference():
    never = math.inf
    claim = Claim("sooner", "steps", "b", 5.0, ours="a", rule=SeedsAgree("less than"))

    def judged(a, b):
        pairs = enumerate(zip(a, b, strict=True))
        return judge(claim, {s: {"a": {"steps": x}, "b": {"steps": y}} for s, (x, y) in pairs})

    assert judged([never, never], [never, never]).effect == (0, 0)
    assert judged([never, never], [never, never]).verdict == "not shown"
    assert judged([40.0, 60.0], [never, never]).effect == (-never, -never)
    assert judged([40.0, 60.0], [never, never]).verdict == "shown"


def test_a_finding_of_arms_that_are_not_there_is_refused():
    with pytest.raises(SteelyardError, match="compares what is not there"):
        grid(findings=(replace(MORE, other="c"),))
    with pytest.raises(SteelyardError, match="compares what is not there"):
        grid(findings=(replace(MORE, metric="speed"),))


def test_the_section_comes_from_run_directories_alone(tmp_path: Path):
    """Arm b ends .01 above arm a in every seed, at .91 to .912."""
    root = study(tmp_path, ["a", "b"], 0.1, 0.5, 0.9)
    section = grid().section(root)
    assert [row[:2] for row in section.rows] == [["a", "0.901 [0.900, 0.902]"], ["b", "0.911 [0.910, 0.912]"]]
    assert [(claim.shown, claim.measured) for claim in section.claims] == [(True, "difference +0.010")]
    assert section.claims[0].text == "as in the paper, late accuracy: at b more than at a (by 0.005 or more counts)"
    assert section.paper == [["the paper", "here"], ["b is better: 2 against 1", "agrees"]]
    assert section.draw is not None
    section.draw(tmp_path / "x.png")
    assert matplotlib.image.imread(tmp_path / "x.png")[..., :3].std() > 0.01


def test_a_difference_from_the_paper_is_said(tmp_path: Path):
    section = grid(findings=(replace(MORE, says="less than"),)).section(study(tmp_path, ["a", "b"], 0.1, 0.5, 0.9))
    assert section.paper[1][1] == "differs: more here"
    assert not section.shown


def test_measuring_runs_the_grid_once(tmp_path: Path, capsys):
    """And the second time only reads; seeds begin where they are told to."""
    asked = Study(seeds=1, first_seed=900, output_dir=str(tmp_path / "study"), jobs=1)
    first = grid().measure(asked)
    kept = sorted(path.name for path in (tmp_path / "study").iterdir() if path.is_dir())
    assert kept == ["a-seed900", "b-seed900"]
    before = (tmp_path / "study/a-seed900/result.json").stat().st_mtime_ns
    assert grid().measure(asked)["rows"] == first["rows"]
    assert (tmp_path / "study/a-seed900/result.json").stat().st_mtime_ns == before
    assert "b is better: 2 against 1" in capsys.readouterr().out


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5), st.floats(0.01, 0.5))
def test_turning_a_comparison_round_turns_its_outcome_round(effects, by):
    turned = {"more than": "less than", "less than": "more than"}
    outcome = compare(effects, by)
    assert compare([-effect for effect in effects], by) == turned.get(outcome, outcome)


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_changes_one_thing_and_says_what_the_paper_found(name, tmp_path):
    grid = ablation(name)
    assert (grid.name, len(grid.findings) > 0, len(grid.arms) > 2) == (name, True, True)
    runs = list(grid.arms.values())
    assert all(one != other for i, one in enumerate(runs) for other in runs[:i])
    assert {run.max_steps for run in runs} == {runs[0].max_steps}
    batches = {run.num_prompts * run.num_generations for run in runs}
    assert len(batches) == 1 or (name, batches) == ("ablation-samples", {128, 256})  # the last arm is twice as large
    module = importlib.import_module(f"steelyard.experiments.studies.{name.replace('-', '_')}")
    assert module.Study is Study
    root = study(tmp_path, grid.arms, 0.1, 0.5, 0.9, 0.8, key=grid.curve)
    section = module.section(root)
    assert len(section.rows) == len(grid.arms)
    assert {len(row) for row in section.rows} == {len(section.columns)}
    section.draw(tmp_path / "picture.png")
    assert matplotlib.image.imread(tmp_path / "picture.png")[..., :3].std() > 0.01
