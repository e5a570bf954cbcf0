"""Group bias: every measure by hand, several groups to a text, too few texts, and the command."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.core.auc import auc
from steelyard.core.table import Table
from steelyard.guard import GroupBias, Ruling
from steelyard.guard.curves import area
from steelyard.guard.group_bias import generalised_mean

ROWS = [  # text = what the guard says, label, groups
    ("0.9", 1, "a"), ("0.6", 0, "a"), ("0.1", 0, "a"), ("0.4", 1, "b"),
    ("0.2", 0, ["b"]), ("0.7", 1, None), ("0.3", 0, ""), ("0.8", 1, ["a", "b"]),
]  # fmt: skip


def says(texts: Sequence[str]) -> Ruling:
    harm_N = torch.tensor([float(text) for text in texts])
    return Ruling(harm_N, harm_N[:, None])


def audited(rule: GroupBias, rows: Sequence[tuple[str, int, object]] = ROWS) -> Table:
    return rule.audit_guard(
        says, [(f"line {i}", {"text": t, "label": y, "group": g}) for i, (t, y, g) in enumerate(rows)]
    )


def test_by_hand() -> None:
    table = audited(GroupBias(least=1))
    a = table.data()["rows"]["group a"]
    assert (a["texts"], a["harmful"]) == (4, 2)
    assert (a["right"], a["false positives"], a["true positives"]) == (0.75, 0.5, 1.0)
    assert a["subgroup AUC"] == 1.0
    assert a["BPSN AUC"] == pytest.approx(3 / 4), "of .4 and .7 against .6 and .1"
    assert a["BNSP AUC"] == 1.0
    b = table.data()["rows"]["group b"]
    assert (b["right"], b["false positives"], b["true positives"]) == (pytest.approx(2 / 3), 0.0, 0.5)
    assert table.number("all", "right") == pytest.approx(6 / 8)
    assert table.number("all", "subgroup AUC") == pytest.approx(
        auc(np.array([0.9, 0.4, 0.7, 0.8]), np.array([0.6, 0.1, 0.2, 0.3]))
    )


def test_the_last_rows_by_hand() -> None:
    table = audited(GroupBias(least=1))
    assert table.number("mean", "true positives") == 0.75
    assert table.number("worst", "true positives") == 0.5
    assert table.number("worst", "false positives") == 0.5, "many are bad"
    assert table.number("gap", "false positives") == 0.5
    assert table.number("variance", "true positives") == pytest.approx(0.0625)
    areas = [table.number(f"group {g}", "BPSN AUC") for g in "ab"]
    assert table.number("GMB", "BPSN AUC") == pytest.approx(generalised_mean([x for x in areas if x is not None], -5.0))
    assert table.number("GMB", "right") is None
    assert table.number("worst", "texts") is None


def test_the_generalised_mean_is_nearly_that_of_the_worst() -> None:
    assert generalised_mean([0.5, 1.0, 1.0], -100.0) == pytest.approx(0.5, abs=0.01)
    assert generalised_mean([0.0, 1.0], -5.0) == 0.0


def test_too_few_texts_have_no_rate() -> None:
    table = audited(GroupBias(least=3))
    assert table.number("group a", "right") == 0.75
    assert table.number("group a", "false positives") is None
    assert table.number("gap", "false positives") is None


def test_the_area_agrees_with_the_plain_one() -> None:
    draws = np.random.default_rng(0)
    above, below = draws.integers(5, size=40) / 4, draws.integers(4, size=30) / 4
    assert area(above, below) == pytest.approx(auc(above, below))


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([], "there are no rows"),
        ([("0.1", 1, None)], "no text is about a group; name the column"),
        ([("0.1", 1, {"a": 1})], "column 'group' is {'a': 1}"),
    ],
)
def test_what_cannot_be_audited_is_refused(rows: list[tuple[str, int, object]], what: str) -> None:
    with pytest.raises(SteelyardError) as caught:
        audited(GroupBias(), rows)
    assert what in str(caught.value)


def test_the_command_audits_runs_and_classifiers(
    texts_file: Path, classifier_of: Callable[[str, int], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few: dict[str, Any] = {"texts": str(texts_file), "report": False, "save_steps": 0}
    bag = steelyard.train("bag-guard", output_dir=str(tmp_path / "bag"), steps=30, **few).run_dir
    encoder = steelyard.train("dice-loss", output_dir=str(tmp_path / "dice"), max_steps=2, **few).run_dir
    rows = [json.loads(line) | {"group": "ab"[i % 2]} for i, line in enumerate(texts_file.read_text().splitlines())]
    data = tmp_path / "grouped.jsonl"
    data.write_text("".join(json.dumps(row | {"team": row["group"]}) + "\n" for row in rows))
    for model in (str(bag), str(encoder), classifier_of("gpt2", 1)):
        assert main(["audit", "group-bias", "--model", model, "--data", str(data), "--json"]) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert {"all", "group a", "group b", "gap", "GMB"} <= told["rows"].keys()
    line = ["audit", "group-bias", "--model", str(bag), "--data", str(data), "--group-column"]
    assert main([*line, "team", "--output", str(tmp_path / "out.csv")]) == 0
    assert "BPSN AUC (AUC)" in (tmp_path / "out.csv").read_text()
    assert main([*line, "nowhere"]) == 2
    assert "no text is about a group" in capsys.readouterr().err
