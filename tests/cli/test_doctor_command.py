"""`steelyard doctor`: what is there, what lacks, and the command that mends it."""

import tempfile
from pathlib import Path

import pytest

from steelyard.cli import installed, main
from steelyard.cli.machine_checks import checks
from steelyard.recipes import names


@pytest.fixture
def without(monkeypatch):
    """`without(name=None)`: a package is not installed, or of another version."""

    def do(**versions):
        known = installed._version
        others = {name.replace("_", "-"): found for name, found in versions.items()}
        monkeypatch.setattr(installed, "_version", lambda name: others[name] if name in others else known(name))

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
