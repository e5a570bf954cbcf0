"""Jobs on given data under kill -9, through the command: unlearning and pretraining end as if nothing had happened."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import steelyard
from faults.harm import PATIENCE, SIGKILL, rows, send, until

FORGET = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(6)]
DOCUMENTS = [{"segments": [{"text": f"{n}+1=", "score": 0}, {"text": "ab", "score": n % 2}]} for n in range(9)]
STEPS = 120


@pytest.mark.parametrize(("recipe", "flag", "data"), [("npo", "forget", FORGET), ("phf", "documents", DOCUMENTS)])
def test_a_job_that_was_killed_goes_on_to_the_same_end(
    recipe: str, flag: str, data: list[dict], tmp_path: Path, tiny_model_dir: Callable[[str], Path]
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, data)))
    own = {"model": str(tiny_model_dir("llama")), flag: str(path)}
    few = {"max-steps": STEPS, "save-steps": 5, "eval-steps": 40, "max-completion-length": 4, "threads": 1}
    flags = [word for name, value in {**own, **few}.items() for word in (f"--{name}", str(value))]
    cut = tmp_path / "cut"
    words = [sys.executable, "-m", "steelyard", "train", recipe, *flags, "--output-dir", str(cut)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until(lambda: process.poll() is not None or len(rows(cut, "metrics")) >= 7, "step 7")
    assert process.poll() is None, process.communicate()[1]
    send(process.pid, SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not (cut / "result.json").exists()
    steelyard.resume(cut, report=False)
    settings = own | {name.replace("-", "_"): value for name, value in few.items()}
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert [row["step"] for row in rows(cut, "metrics")] == list(range(1, STEPS + 1))
