"""`steelyard train wl-ac` on one's own texts: three ways to say who is weak and who strong, a kill and a resume."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.core.job import Job
from steelyard.guard import WLAC
from steelyard.guard.saved import Source
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.labelling_job import BOUGHT, BuyLabels
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 50, "save_steps": 0, "report": False}
RULE = WLAC(budget=60, steps=150, batch=32)
STRONG = """
def harmful(prompts, completions, **columns):
    with open(__file__ + ".asked", "a") as file:
        file.writelines(text + "\\n" for text in completions)
    return [float(" a " in text) for text in completions]


def unsure(prompts, completions, **columns):
    return [None for text in completions]
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """400 texts, harmful where there is an "a"; the column `cheap` is wrong wherever there is a "z"."""
    texts = [f"{i % 7} {'a' if i % 2 else 'b'} {'z' if i % 4 > 1 else 'y'} {i}" for i in range(400)]
    rows = [{"text": t, "label": int(" a " in t), "cheap": int((" a " in t) != (" z " in t))} for t in texts]
    (tmp_path / "both.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    weak = ({"text": row["text"], "label": row["cheap"]} for row in rows)
    (tmp_path / "weak.jsonl").write_text("".join(json.dumps(row) + "\n" for row in weak))
    (tmp_path / "strong.py").write_text(STRONG)
    return tmp_path


def bought_in(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "model" / BOUGHT).read_text().splitlines()]


def test_a_column_of_weak_labels(here: Path) -> None:
    result = steelyard.train(
        "wl-ac", texts=str(here / "both.jsonl"), weak_column="cheap", learning=RULE, output_dir=str(here / "run"), **FEW
    )
    after = result.summary["after"]
    assert after["eval/right"] > 0.9, "though the weak labels are wrong on half of the texts"
    every = bought_in(result.run_dir)
    rows = [row for row in every if "asked" in row]
    assert len(every) - len(rows) == after["eval/texts"]
    assert all(row["label"] == (" a " in row["text"]) for row in every if row not in rows)
    assert sum(row["asked"] for row in rows) == after["eval/strong_labels"] <= 60
    for row in rows:
        assert row["label"] == ((" a " in row["text"]) if row["asked"] else row["weak"] >= 0.5)
        assert 0 < row["probability"] <= 1
    assert Source(str(result.run_dir)).load("--small")(["3 a y 1"]).harm_N.item() > 0.5
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, _ = job.open().evaluate()
    assert row.items() <= after.items(), "what was saved says what was measured"
    assert main(["train", "bag-guard", "--texts", str(result.run_dir / "model" / BOUGHT), "--max-steps", "1",
                 "--output-dir", str(here / "next")]) == 0  # fmt: skip


def test_a_function_gives_strong_labels_and_is_asked_once_for_each(here: Path) -> None:
    result = steelyard.train(
        "wl-ac", texts=str(here / "weak.jsonl"), strong=f"{here}/strong.py:harmful", learning=RULE,
        output_dir=str(here / "run"), **FEW,
    )  # fmt: skip
    after = result.summary["after"]
    assert after["eval/right"] > 0.9
    asked = (here / "strong.py.asked").read_text().splitlines()
    assert len(asked) == len({*asked}) == after["eval/strong_labels"] + after["eval/texts"]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_model_learns_from_a_weak_guard(
    family: str, here: Path, tiny_model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"texts": str(here / "both.jsonl"), "report": False}
    weak = steelyard.train("bag-guard", output_dir=str(here / "weak"), max_steps=30, **own).run_dir
    own |= {"weak": str(weak), "model": str(tiny_model_dir(family)), "max_steps": 6, "eval_steps": 3, "save_steps": 2}
    own |= {"learning": WLAC(budget=20, batch=8), "learning_rate": 0.01}
    whole = steelyard.train("wl-ac", output_dir=str(here / "whole"), **own).run_dir
    cut = here / "cut"
    cut_short(monkeypatch, FittingWork, 3, "wl-ac", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors", f"model/{BOUGHT}"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_plan_says_who_labels(here: Path) -> None:
    plan = BuyLabels(texts=str(here / "both.jsonl"), weak_column="cheap", learning=RULE, max_steps=7).plan()
    assert plan["strong labels"] == {"budget": 60}
    assert plan["steps"] == {"steps": 7}
    assert plan["guard"]["words"] > 7
    own = {"texts": str(here / "weak.jsonl"), "strong": f"{here}/strong.py:harmful"}
    BuyLabels(**own, model="somebody/model").plan()
    assert not (here / "strong.py.asked").exists(), "a plan asks nobody"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"weak_column": ""}, "--weak: is missing; name a weak guard"),
        ({"weak": "guard"}, "--weak: and --weak-column are both given"),
        ({"strong": "strong.py:harmful"}, "--strong: is given beside another weak labeller"),
        ({"strong": "harmful"}, "'harmful' names no function"),
        ({"weak_column": "no"}, "has no label in column 'no'"),
    ],
)
def test_labellers_that_are_not_told_apart_are_refused(change: dict[str, Any], what: str, here: Path) -> None:
    for begin in (BuyLabels.plan, BuyLabels.open):
        with pytest.raises(SteelyardError, match=what):
            begin(BuyLabels(**{"texts": str(here / "both.jsonl"), "weak_column": "cheap"} | change))


def test_a_strong_labeller_that_says_nothing_is_refused(here: Path) -> None:
    job = BuyLabels(texts=str(here / "weak.jsonl"), strong=f"{here}/strong.py:unsure")
    with pytest.raises(SteelyardError, match=r"says nothing of .* return a number for every text"):
        job.open()
