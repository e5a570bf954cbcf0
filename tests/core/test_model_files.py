"""Facts and tensors in two files: read back as they were written, and refused in one line."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from steelyard.core import SteelyardError
from steelyard.core.model_files import (
    file_errors,
    read_facts,
    read_settings,
    read_tensors,
    write_facts,
    write_settings,
    write_tensors,
)


@dataclass(frozen=True)
class Facts:
    width: int
    words: tuple[str, ...]


FACTS = Facts(2, ("a", "ring"))


def _read(directory: Path) -> tuple[Facts, torch.nn.Linear]:
    with file_errors("no map can be read", where=str(directory), hint="name the run of one"):
        facts = read_settings(directory / "map.json", Facts)
        module = torch.nn.Linear(facts.width, facts.width)
        module.load_state_dict(read_tensors(directory / "map.safetensors"))
    return facts, module


def _write(directory: Path) -> torch.nn.Linear:
    module = torch.nn.Linear(2, 2)
    write_settings(FACTS, directory / "map.json")
    write_tensors(module.state_dict(), directory / "map.safetensors")
    return module


def test_what_is_written_is_read(tmp_path: Path) -> None:
    module = _write(tmp_path / "some" / "where")
    facts, again = _read(tmp_path / "some" / "where")
    assert facts == FACTS
    assert torch.equal(again.weight, module.weight)


def test_facts_are_json_to_read(tmp_path: Path) -> None:
    write_facts({"width": 2}, tmp_path / "new" / "map.json")
    assert (tmp_path / "new" / "map.json").read_text() == '{\n  "width": 2\n}\n'
    assert read_facts(tmp_path / "new" / "map.json") == {"width": 2}


def test_tensors_are_taken_as_they_lie(tmp_path: Path) -> None:
    turned = torch.arange(6.0).reshape(2, 3).T.requires_grad_()
    write_tensors({"a": turned}, tmp_path / "new" / "a.safetensors", selector="soft")
    assert torch.equal(read_tensors(tmp_path / "new" / "a.safetensors")["a"], turned.detach())
    with safe_open(tmp_path / "new" / "a.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "selector": "soft"}


@pytest.mark.parametrize("name", ["map.json", "map.safetensors"])
def test_a_missing_or_damaged_file_is_one_line(name: str, tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(SteelyardError, match=r"no map can be read \(.+\); name the run of one") as damaged:
        _read(tmp_path)
    assert "\n" not in str(damaged.value)
    (tmp_path / name).unlink()
    with pytest.raises(SteelyardError, match=r"no map can be read \(.*No such file"):
        _read(tmp_path)


def test_facts_of_another_model_are_one_line(tmp_path: Path) -> None:
    _write(tmp_path)
    write_settings(Facts(3, ("a",)), tmp_path / "map.json")
    with pytest.raises(SteelyardError, match="no map can be read"):
        _read(tmp_path)
    write_facts({"class": "steelyard.core.schedule:WarmupStableDecay"}, tmp_path / "map.json")
    with pytest.raises(SteelyardError, match="no map can be read"):
        _read(tmp_path)


def test_a_missing_name_is_said(tmp_path: Path) -> None:
    write_facts({}, tmp_path / "map.json")
    with (
        pytest.raises(SteelyardError, match=r"no map can be read \('width' is missing\)"),
        file_errors("no map can be read", where="map.json", hint="name the run of one"),
    ):
        read_facts(tmp_path / "map.json")["width"]


def test_an_error_that_is_a_line_already_stays(tmp_path: Path) -> None:
    _write(tmp_path)
    write_facts({"width": 2, "words": [], "more": 1}, tmp_path / "map.json")
    with pytest.raises(SteelyardError, match=r"map\.json: unknown setting 'more'"):
        _read(tmp_path)
