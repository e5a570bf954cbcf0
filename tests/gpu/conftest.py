"""The suite of a GPU, `make gpu`: skipped where torch sees none. See docs/performance.md."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from gpu.shapes import CUDA
from steelyard.experiments.bench import models
from steelyard.policy import Policy

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"))


@pytest.fixture
def both(tiny_model_dir: Callable[[str], Path]) -> Callable[..., tuple[Policy, Policy]]:
    """`both(family, dtype)`: one policy on the processor, and the same on the GPU."""

    def pair(family: str = "llama", dtype: str = "float32") -> tuple[Policy, Policy]:
        here, there = (Policy.load(str(tiny_model_dir(family)), dtype=dtype) for _ in range(2))
        return here, there.to(CUDA)

    return pair


@pytest.fixture
def steelyard(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`steelyard(words...)`: the command in a process of its own, as a user starts it."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        source = HERE.parents[1] / "src"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "steelyard", *words]
        found = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path, env=environment)
        assert found.returncode == 0, found.stderr
        return found

    return run


@pytest.fixture(scope="session")
def wide_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 50 million parameters: what it computes takes longer than its launches."""
    return models.make("50M", tmp_path_factory.mktemp("50M"))
