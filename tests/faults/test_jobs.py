"""Jobs on given data under kill -9, through the command: each kind ends as if nothing had happened."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import steelyard
from faults.harm import PATIENCE, SIGKILL, rows, send, until

FORGET = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(6)]
DOCUMENTS = [{"segments": [{"text": f"{n}+1=", "score": 0}, {"text": "ab", "score": n % 2}]} for n in range(9)]
QUESTIONS = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(40)]
LABELLED = [{"text": f"{n} {'ab'[n % 2]}", "label": n % 2} for n in range(300)]
DATA: Mapping[str, tuple[str, list[dict]]] = {
    "npo": ("forget", FORGET),
    "phf": ("documents", DOCUMENTS),
    "sft": ("path", QUESTIONS),
    "efl": ("rows", LABELLED),
    "encoder-guard": ("texts", LABELLED),
    "saferoute": ("texts", LABELLED),
    "ddpm": ("images", []),
}
"""Recipe -> the flag of its data, and the rows."""
STEPS = 120


def own(recipe: str, here: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, str | int]:
    """The settings that name a job's data and models, small ones."""
    flag, data = DATA[recipe]
    path = here / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, data)))
    if recipe == "ddpm":
        np.savez(here / "images.npz", images=np.eye(64).reshape(64, 8, 8), labels=np.arange(64) % 2)
        return {flag: str(here / "images.npz")}
    if recipe == "saferoute":
        few = {"texts": str(path), "max_steps": 3, "report": False}
        guard = str(steelyard.train("bag-guard", output_dir=str(here / "guard"), **few).run_dir)
        return {flag: str(path), "small": guard, "large": guard}
    if recipe == "efl":
        return {flag: str(path), "batch_size": 1}
    if recipe == "encoder-guard":
        return {flag: str(path), "hidden_size": 16}
    return {flag: str(path), "model": str(tiny_model_dir("llama")), "max_completion_length": 4}


@pytest.mark.parametrize(
    "recipe",
    ["npo", "phf", *(pytest.param(name, marks=pytest.mark.long) for name in DATA if name not in ("npo", "phf"))],
)
def test_a_job_that_was_killed_goes_on_to_the_same_end(
    recipe: str, tmp_path: Path, tiny_model_dir: Callable[[str], Path]
) -> None:
    steps = 300 if recipe == "efl" else STEPS
    few = {"max_steps": steps, "save_steps": 5, "eval_steps": 40, "threads": 1}
    settings = own(recipe, tmp_path, tiny_model_dir) | few
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    cut = tmp_path / "cut"
    words = [sys.executable, "-m", "steelyard", "train", recipe, *flags, "--output-dir", str(cut)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until(lambda: process.poll() is not None or len(rows(cut, "metrics")) >= 7, "step 7")
    assert process.poll() is None, process.communicate()[1]
    send(process.pid, SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not (cut / "result.json").exists()
    steelyard.resume(cut, report=False)
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    found = [path.relative_to(whole) for kind in ("model", "data") for path in whole.glob(f"{kind}/*")]
    made = [path for path in found if path.name != "README.md"]  # it tells the command, and only one run had one
    records = [Path(name) for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl") if (whole / name).exists()]
    assert len(made) >= 1
    for name in (*records, *made):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert [row["step"] for row in rows(cut, "metrics")] == list(range(1, steps + 1))
