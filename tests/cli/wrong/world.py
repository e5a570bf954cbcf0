"""The small world in which every wrong input is tried: a few things that are right, for harms to spoil."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from steelyard.cli import main

RUN = (
    "--runtime inline --max-completion-length 6 --num-prompts 2 --search-prompts 2 --num-generations 4 "
    "--replay.warmup 0 --evaluation.prompts 2 --evaluation.sampled-prompts 1 --evaluation.samples 1"
)
"""Flags that make any run tiny."""
ROWS = f"train rows {RUN} --model llama --path good.jsonl"
ARITHMETIC = f"train arithmetic {RUN} --model llama --problems 64 --held-out 16"
SAVING = "--max-steps 3 --save-steps 2 --keep-checkpoints 2"
NEW = f"{ROWS} --output-dir new"
"""A run that would be right, for further flags to spoil."""

FORGETTING = (
    "train npo --model llama --forget forget.jsonl --retain retain.jsonl --max-completion-length 4 --max-steps 2"
)
"""A job that is right."""

REWARDS = """
def right(prompts, completions, **columns): return [float(len(c)) for c in completions]
def nan(prompts, completions, **columns): return [float("nan")] * len(completions)
def infinite(prompts, completions, **columns): return [float("inf")] * len(completions)
def negative(prompts, completions, **columns): return [float("-inf")] * len(completions)
def beyond(prompts, completions, **columns): return [10**400] * len(completions)
def none(prompts, completions, **columns): return [None] * len(completions)
def huge(prompts, completions, **columns): return [1e38 * (-1) ** i for i in range(len(completions))]
def words(prompts, completions, **columns): return ["1"] * len(completions)
def one(prompts, completions, **columns): return [1.0]
def number(prompts, completions, **columns): return 1.0
def narrow(prompts): return [1.0] * len(prompts)
"""


def build(world: Path, model: Path, enumerable: Path) -> None:
    """Fill the empty directory `world`.

    Args:
        world: will hold files that are right, a finished `run`, `stopped`, a run that was cut short, and the files of
            `other` that could be taken for theirs.
        model: a tiny model whose vocabulary is digits, signs and a few letters.
        enumerable: a model of another vocabulary.
    """
    (world / "text.txt").write_text("a text\n")
    (world / "rewards.py").write_text(REWARDS)
    (world / "empty").mkdir()
    (world / "full").mkdir()
    (world / "full/precious").write_text("mine")
    rows = [json.dumps({"prompt": f"{a}+{b}=", "answer": a + b}) for a in range(6) for b in range(6)]
    (world / "good.jsonl").write_text("\n".join(rows))
    forget = [json.dumps({"prompt": f"{a}-1=", "answer": a - 1}) for a in range(1, 4)]
    (world / "forget.jsonl").write_text("\n".join(forget))
    (world / "retain.jsonl").write_text("\n".join(rows[:4]))
    pairs = [json.dumps({"prompt": f"{a}+1=", "chosen": f"{a + 1}", "rejected": "0"}) for a in range(9)]
    (world / "pairs.jsonl").write_text("\n".join(pairs))
    solutions = [json.dumps({"prompt": f"{a}+1=", "solution": f"{a}#{a}", "answer": a + 1}) for a in range(6)]
    (world / "solutions.jsonl").write_text("\n".join(solutions))
    draws = [json.dumps({"task": t, "description": f"{t}+", "output": n % 2}) for t in range(12) for n in range(9)]
    (world / "draws.jsonl").write_text("\n".join(draws))
    targets = [json.dumps({"task": t, "outputs": [0, 1], "probabilities": [0.5, 0.5]}) for t in range(2)]
    (world / "targets.jsonl").write_text("\n".join(targets))
    told = [{"prompt": f"{a}+1=", "response": f"{a + b}", "score": b} for a in range(9) for b in range(2)]
    (world / "critiqued.jsonl").write_text("\n".join(map(json.dumps, told)))
    documents = [json.dumps({"text": f"{a}+1={a + 1}", "score": a % 2}) for a in range(6)]
    (world / "documents.jsonl").write_text("\n".join(documents))
    shutil.copytree(model, world / "llama")
    shutil.copytree(enumerable, world / "enumerable")
    _carry_out(world, f"{ARITHMETIC} {SAVING} --output-dir run")
    _carry_out(world, f"{ARITHMETIC} {SAVING} --seed 1 --learning-rate 0.1 --output-dir other")
    _carry_out(world, "replay run --prompts 0 --export out.parquet")
    _carry_out(world, f"{FORGETTING} --output-dir forgot")
    shutil.copytree(world / "run", world / "stopped")
    _leave_out(world / "stopped", "result.json", "report.html", "model", "checkpoint-3")
    _leave_out(
        world / "other",
        "result.json",
        "report.html",
        "model",
        "checkpoint-3",
        "events.jsonl",
        "metrics.jsonl",
        "eval.jsonl",
    )


def _leave_out(directory: Path, *names: str) -> None:
    for path in (directory / name for name in names):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _carry_out(world: Path, line: str) -> None:
    before = Path.cwd()
    os.chdir(world)
    try:
        assert main(line.split()) == 0
    finally:
        os.chdir(before)


def contents(directory: Path) -> dict[str, str]:
    """Every path below, and what is there: a directory, a link, or the hash of a file's contents."""
    return {str(path.relative_to(directory)): _describe(path) for path in sorted(directory.rglob("*"))}


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "directory"
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def restore(world: Path, pristine: Path, right: dict[str, str]) -> None:
    """Make `world` equal to `pristine`, whose contents are `right`: only what differs is touched."""
    found = contents(world)
    for name in sorted(found, reverse=True):
        if found[name] != right.get(name):
            path = world / name
            path.rmdir() if found[name] == "directory" else path.unlink()
    for name in sorted(right):
        if found.get(name) != right[name]:
            (world / name).mkdir() if right[name] == "directory" else shutil.copy2(pristine / name, world / name)
