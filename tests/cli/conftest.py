"""Two runs of two steps, made by the command line itself, a way to call it, and a world to spoil."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.wrong.disks import unmount
from cli.wrong.world import build, contents, restore
from steelyard.cli import main
from steelyard.policy.loading import SHIPPED

FEW = ["--max-steps", "2", "--num-prompts", "2", "--search-prompts", "2", "--replay.warmup", "0"]
FEW += ["--evaluation.prompts", "8", "--evaluation.sampled-prompts", "4", "--evaluation.samples", "2"]
ARITHMETIC = [*FEW, "--num-generations", "4", "--problems", "64", "--held-out", "16"]
UNIFORM = [*FEW, "--num-generations", "16", "--search-temperature", "inf", "--runtime", "inline"]


@dataclass(frozen=True)
class Answer:
    """What a command did: exit code, standard output and error, and the object in the last line of the output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        def refuse(literal: str) -> None:
            raise ValueError(f"{literal} is not JSON")

        return json.loads(self.out.splitlines()[-1], parse_constant=refuse)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`call("train", "arithmetic", ...)`: the command, in this process."""

    def carry_out(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Answer(code, *capsys.readouterr())

    return carry_out


@pytest.fixture
def few_arithmetic() -> list[str]:
    """Flags that make `train arithmetic` tiny."""
    return ARITHMETIC


@pytest.fixture
def few_uniform() -> list[str]:
    """Flags that make `train enumerable` tiny, on uniform data."""
    return UNIFORM


@pytest.fixture(scope="session")
def arithmetic_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `arithmetic`; do not write to it."""
    directory = tmp_path_factory.mktemp("cli") / "arithmetic"
    assert main(["train", "arithmetic", *ARITHMETIC, "--runtime", "inline", "--output-dir", str(directory)]) == 0
    return directory


@pytest.fixture(scope="session")
def enumerable_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `enumerable` on uniform data; do not write to it."""
    directory = tmp_path_factory.mktemp("cli") / "enumerable"
    assert main(["train", "enumerable", *UNIFORM, "--output-dir", str(directory)]) == 0
    return directory


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Callable[[str], Path]) -> Path:
    """The world as it is before anything is spoiled; do not write to it."""
    directory = tmp_path_factory.mktemp("pristine")
    build(directory, tiny_model_dir("llama"), SHIPPED / "enumerable")
    return directory


@pytest.fixture(scope="session")
def right(pristine: Path) -> dict[str, str]:
    """Its contents."""
    return contents(pristine)


@pytest.fixture(scope="session")
def spoiled(tmp_path_factory: pytest.TempPathFactory, pristine: Path) -> Path:
    """The one copy of the world that all tests spoil, each after the last one's harm was undone."""
    return Path(shutil.copytree(pristine, tmp_path_factory.mktemp("spoiled") / "world"))


@pytest.fixture
def world(spoiled: Path, pristine: Path, right: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The world, as it is before anything is spoiled; it is the working directory."""
    monkeypatch.chdir(spoiled)
    yield spoiled
    unmount(spoiled)
    restore(spoiled, pristine, right)
