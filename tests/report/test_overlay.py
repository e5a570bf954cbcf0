"""Several runs share one page: a colour for each run, names that tell them apart, nothing lost."""

import json
import shutil

from steelyard.report import read_run, write_comparison
from steelyard.report.overlay import COLORS, overlay, short_names
from steelyard.report.page import sections_of
from steelyard.report.plots import Lines


def test_names_are_as_long_as_it_takes(tmp_path):
    a, b, c = tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "z"
    assert short_names([a, c]) == ["run", "z"]
    assert short_names([a, b]) == ["x/run", "y/run"]
    assert len(set(short_names([a, a]))) == 2


def test_lines_share_a_plot_and_the_rest_stands_side_by_side(make_run, tmp_path):
    one = make_run(steps=8)
    two = shutil.copytree(one, tmp_path / "two")
    (two / "eval.jsonl").unlink()
    merged = overlay([(path.name, sections_of(read_run(path))) for path in (one, two)])
    found = {section.id: section for section in merged}
    reward = found["reward"].figures[0].plot
    assert isinstance(reward, Lines)
    assert [s.label for s in reward.series][::3] == ["run: learner's batch", "two: learner's batch"]
    assert {s.color for s in reward.series} == set(COLORS[:2])
    loss = found["loss"].figures[0].plot
    assert isinstance(loss, Lines) and [s.label for s in loss.series] == ["run", "two"]
    assert [f.plot.name for f in found["staleness"].figures] == [
        "ages-0",
        "ages-1",
        "ages-over-time-0",
        "ages-over-time-1",
    ]
    assert len(found["settings"].tables) == 2 and "accuracy" in found
    page = write_comparison([one, two], tmp_path / "both.html").read_text(encoding="utf-8")
    assert (
        "2 runs" in page
        and "held-out accuracy" in page
        and page.count("<svg") == sum(len(section.figures) for section in merged)
    )
    assert json.loads((one / "config.json").read_text())["commit"][:12] in page


def test_a_shared_plot_has_the_numbers_of_every_run(make_run, tmp_path):
    one = make_run(steps=8)
    two = shutil.copytree(one, tmp_path / "two")
    timing = [{"step": 1, "seconds": 1.0, "learner_idle": 0.9, "searcher_idle": 0.1}]
    (two / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    alone = {path.name: sections_of(read_run(path)) for path in (one, two)}

    def captions(sections):
        return {section.id: figure.caption for section in sections for figure in section.figures}

    first, second, both = (captions(sections) for sections in (*alone.values(), overlay(list(alone.items()))))
    assert first["idle"] != second["idle"] and both["idle"] == f"run: {first['idle']} two: {second['idle']}"
    assert first["loss"] == second["loss"] == both["loss"]
