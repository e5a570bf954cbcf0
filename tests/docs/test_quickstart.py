"""docs/quickstart.md: its commands and its Python run as they stand, on a tiny model and with smaller numbers."""

import contextlib
import io
import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from policy.printable import save_model
from steelyard.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"
MODEL = "gemma-3-270m"
SMALLER = {"--max-steps": "1", "--num-prompts": "1", "--search-prompts": "1", "--num-generations": "2"}
SMALLER |= {"--replay.warmup": "2", "--evaluation.prompts": "1", "--prompts": "1"}


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def commands() -> list[list[str]]:
    """The page's commands without `steelyard`, as a shell reads them, with smaller numbers."""
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line) for line in lines if line.startswith("steelyard ")]
    return [[SMALLER.get(before, word) for before, word in pairwise(line)] for line in words]


@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft asks transformers so
def test_the_page_runs_as_it_stands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / MODEL, "llama")
    writes, *uses = blocks("python")
    exec(compile(writes, str(PAGE), "exec"), {})
    assert len(Path("sums.jsonl").read_text().splitlines()) == 180
    ran = commands()
    assert [line[0] for line in ran] == ["train", "train", "sample", "eval"]
    for line in ran:
        assert main(line) == 0, capsys.readouterr().err
        capsys.readouterr()
        assert Path("runs").exists() == ("--dry-run" not in line)
    Path("sums.toml").write_text(*blocks("toml"))
    assert main(["train", "sums.toml", "--max-steps", "1", "--dry-run"]) == 0, capsys.readouterr().err
    settings = json.loads(Path("runs/sums/config.json").read_text())
    assert "\\n" in json.dumps(settings) and Path("runs/sums/model/adapter/adapter_model.safetensors").exists()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in uses:
            exec(compile(block, str(PAGE), "exec"), {})
    assert len(uses) == 2
    first, second = re.findall(r"^completion: (.*)$", printed.getvalue(), re.M)
    assert first == second, "the merged model and the adapter on its base are one model"
