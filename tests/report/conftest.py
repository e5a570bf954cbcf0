"""Run directories made of invented records."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.report import write_report

CONFIG = {
    "recipe": "arithmetic",
    "seed": 3,
    "command": ["steelyard", "train", "arithmetic", "--seed", "3"],
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "version": "0.1.0",
    "run": {
        "model": "tiny",
        "objective": {"method": "vargrad-tb", "beta": 0.05},
        "learning_rate": 2e-4,
        "reward": None,
    },
}
ATTACK = '<script>alert("sample")</script><img src=x onerror=alert(1)>'


def _share(step: int, steps: int) -> float:
    return 0.05 + 0.75 / (1 + math.exp(-8 * (step / steps - 0.4)))


def _metrics(steps: int) -> list[dict]:
    rng = random.Random(0)
    return [
        {
            "step": s,
            "version": s,
            "clock": None,
            "learner/loss": 0.2 / (1 + s / 40) + 0.03 * rng.random(),
            "learner/grad_norm": 0.4 + 0.2 * rng.random(),
            "learner/learning_rate": 2e-4,
            "objective/log_z": 1.0,
            "batch/reward_mean": _share(s, steps) + 0.08 * rng.random(),
            "batch/length_mean": 4 + 8 * _share(s, steps),
            "batch/staleness_mean": 2.0,
            "batch/staleness_max": 9,
            "batch/staleness": {str(int(rng.expovariate(0.3))): 64, "1": 192},
            "batch/trajectories": 256,
            "objective/kl": 0.02 * s / steps,
            "learner/entropy": 2 - _share(s, steps),
            "learner/ess": 0.9 - 0.5 * s / steps,
            "replay/size": min(4096, 48 * s),
            "replay/admitted": 64 * s,
            "replay/evicted": max(0, 16 * s - 20),
            "search/entropy": 2.1 - _share(s, steps) + 0.05 * rng.random(),
            "search/length_mean": 4.2 + 8 * _share(s, steps),
            "search/reward_mean": _share(s, steps) + 0.06 * rng.random() if s % 3 else None,
        }
        for s in range(1, steps + 1)
    ]


def _eval(step: int, steps: int) -> dict:
    rate = _share(step, steps)
    bare = 1 - 0.8 * rate
    styles = {"bare": bare, "worked": 0.7 * (1 - bare), "_odd $x^$ <b>": 0.3 * (1 - bare)}
    return {
        "step": step,
        "version": step,
        **_between("eval/accuracy", rate),
        "eval/prompts": 256,
        **_between("eval/reward_mean", rate + 0.02),
        **_between("eval/pass_at_1", 0.9 * rate),
        **_between("eval/pass_at_8", min(1.0, 1.3 * rate)),
        "eval/distinct_correct": 1 + 2 * rate,
        "eval/length_mean": 4 + 8 * rate,
        "eval/truncated": 0.01,
        "eval/errors": 1,
        "eval/styles": styles,
        **({"eval/correct_styles": styles} if step else {}),
    }


def _between(key: str, value: float) -> dict:
    """A measure with its interval."""
    return {key: value, f"{key}_low": value - 0.05, f"{key}_high": value + 0.05}


def _samples(step: int) -> list[dict]:
    said = {"12+30=": "42" if step else ATTACK, "7+8=": "7+8=15\n=15" if step else "q\x00\ud800"}
    return [
        {
            "step": step,
            "prompt": prompt,
            "completion": text,
            "reward": 1.0 if step else None,
            "version": step,
            "staleness": 0,
            "style": "bare",
        }
        for prompt, text in said.items()
    ]


def _timing(steps: int) -> list[dict]:
    return [
        {
            "step": s,
            "seconds": 0.8 * s,
            "learner_idle": 0.4 / (1 + s / 20),
            "searcher_idle": 0.02,
            "steps_per_s": 1.25,
            "completions_per_s": 80.0,
        }
        for s in range(1, steps + 1)
    ]


def _write(directory: Path, steps: int) -> Path:
    directory.mkdir()
    evals = [_eval(s, steps) for s in range(0, steps + 1, max(1, steps // 8))]
    samples = _samples(0) + _samples(steps)
    failed = [{"prompt_id": "p1", "completion": f"{ATTACK} 41", "error": "no answer within 5 s"}]
    kinds = {
        "quarantine": failed,
        "metrics": _metrics(steps),
        "timing": _timing(steps),
        "eval": evals,
        "samples": samples,
    }
    for kind, rows in kinds.items():
        (directory / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = {
        "run_dir": str(directory),
        "recipe": "arithmetic",
        "runtime": "local",
        "seconds": 0.8 * steps,
        "steps": steps,
        "trajectories": 25_600,
        "staleness_mean": 1.7,
        "staleness_max": 21,
        "learner_idle": 0.05,
        "searcher_idle": 0.02,
    }
    (directory / "config.json").write_text(json.dumps(CONFIG))
    (directory / "result.json").write_text(json.dumps(result))
    return directory


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(steps=8)`: the directory of an invented, finished run with every kind of record."""
    return lambda steps=8: _write(tmp_path / "run", steps)


@pytest.fixture(scope="session")
def whole_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of 120 steps; do not write beside it."""
    return write_report(_write(tmp_path_factory.mktemp("whole") / "run", 120))
