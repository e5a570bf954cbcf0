"""The tables of proofs that were published and of studies fit 80 columns, at a terminal and into a pipe, uncut.

At a terminal every line does. Into a pipe the sentences beside a table keep their lines, since programs read them.
"""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from experiments.fabricated import curve, fabricate
from steelyard.cli import prove_command
from steelyard.experiments.harness import evidence, section
from steelyard.experiments.studies import off_policy, seeds

COLUMNS = 80
RECORDS = evidence.read_all(Path(__file__).parents[3] / "docs" / "evidence")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(params=["terminal", "pipe"])
def printed(request, monkeypatch):
    """`printed(call)`: what it prints at a terminal of 80 columns, or of its tables into a pipe."""

    def no_terminal(*_):
        raise OSError("a pipe has no size")

    piped = request.param == "pipe"
    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    if piped:
        monkeypatch.delenv("COLUMNS", raising=False)
        for module in (prove_command, section):
            monkeypatch.setattr(module, "say_out", lambda *_: None)
    else:
        monkeypatch.setenv("COLUMNS", str(COLUMNS))

    def do(call, *arguments):
        place = io.StringIO() if piped else Terminal()
        monkeypatch.setattr(sys, "stdout", place)
        call(*arguments)
        monkeypatch.undo()
        return place.getvalue()

    return do


def fits(text: str) -> None:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()  # without colours
    assert len(lines) > 4
    assert {line for line in lines if len(line) > COLUMNS} == set()
    assert "…" not in text, "no cell is cut"


@pytest.mark.parametrize("id", RECORDS)
def test_a_published_proof(id, printed):
    record = RECORDS[id]
    text = printed(prove_command.tell, record)
    fits(text)
    words = " ".join(text.split())
    assert f"{id}: {record.first.verdict}" in words
    assert all(claim.metric in words for claim in record.claims)


def test_all_proofs_together(printed):
    fits(printed(prove_command._tell_all, RECORDS))


def test_a_study_with_long_arms(tmp_path, printed):
    for method, data in off_policy.CASES:
        for seed in range(3):
            label = f"{method}-{data.replace(' ', '-')}-seed{seed}"
            told = {"total_variation_before": 0.5, "total_variation": 0.02, "total_variation_lowest": 0.02}
            fabricate(tmp_path / label, curve(0.5, 0.02, key="eval/total_variation"), seed=seed, **told)
    fits(printed(off_policy.section(tmp_path).print))


def test_a_study_with_many_columns(tmp_path, printed):
    shares = {"left": 0.4, "right": 0.1, "tens": 0.4, "pairs": 0.1}
    for seed in range(3):
        rows = [{**row, "eval/styles": shares, "eval/correct_styles": shares} for row in curve(0.1, 0.5, 0.99)]
        told = {"accuracy_before": 0.1, "accuracy_after": 0.99, "staleness_max": 20}
        told |= {"learner_idle": 0.05, "searcher_idle": 0.0}
        place = fabricate(tmp_path / f"seed{seed}", rows, seed=seed, **told)
        timing = [{"step": step, "seconds": step / 2} for step in range(1, 21)]
        (place / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    fits(printed(seeds.section(tmp_path).print))
