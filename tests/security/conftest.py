"""Hostile things to be fed: each would touch a canary file if anything of it were run."""

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # offences


@dataclass(frozen=True)
class Canary:
    """A file that appears if hostile content is run."""

    path: Path

    @property
    def sang(self) -> bool:
        return self.path.exists()

    @property
    def code(self) -> str:
        """Python that makes it sing, and would do as a module of models, tokenizers or rewards."""
        return f"open({str(self.path)!r}, 'w').close()\nclass Evil: pass\ndef f(**_): return [1.0]\n"

    def __reduce__(self) -> Any:
        """A pickle of it makes it sing when loaded."""
        return os.system, (f"touch {self.path}",)

    @property
    def bomb(self) -> bytes:
        return pickle.dumps(self)


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path / "canary")


@pytest.fixture
def model(tiny_model_dir: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny Llama to poison."""
    return Path(shutil.copytree(tiny_model_dir("llama"), tmp_path / "model"))


@pytest.fixture
def change() -> Callable[..., None]:
    """`change(file, key=value, ...)`: other entries in a JSON file."""

    def change(file: Path, **entries: Any) -> None:
        file.write_text(json.dumps(json.loads(file.read_text()) | entries))

    return change
