"""A cluster that is missing, does not answer, or is too small: one line, exit code 2 within ten seconds, no file."""

import importlib.util
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from faults.harm import ON_RAY
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.runtime.ray.cluster import Place, check_room
from steelyard.runtime.run import RayCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray leaves files and sockets to the garbage collector


def refused(capfd: pytest.CaptureFixture[str], run: Path, *words: str) -> str:
    """The one line, after all that was promised of it has been checked."""
    capfd.readouterr()
    began = time.monotonic()
    code = main(["train", "arithmetic", "--runtime", "ray", "--output-dir", str(run), *words])
    seconds = time.monotonic() - began
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("steelyard: ")]
    assert (code, out, len(lines)) == (2, "", 1), err
    assert "Traceback" not in err
    assert seconds < 10
    assert not run.exists()
    return lines[0]


@contextmanager
def listener() -> Iterator[str]:
    """A port where somebody listens who says nothing."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield f"127.0.0.1:{held.getsockname()[1]}"


def test_without_the_package_a_run_says_how_to_get_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    line = refused(capfd, tmp_path / "run")
    assert line.startswith("steelyard: --runtime ray: needs the package ray, which is not installed; pip install 'stee")


def test_a_folder_of_that_name_is_not_the_package(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def found(name: str, *package: str) -> ModuleSpec | None:
        return ModuleSpec(name, None, is_package=True) if name == "ray" else find(name, *package)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    assert "which is not installed" in refused(capfd, tmp_path / "run")


def test_a_dry_run_says_so_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "which is not installed" in refused(capfd, tmp_path / "run", "--dry-run")


def test_an_address_where_nobody_listens(tmp_path: Path, capfd: pytest.CaptureFixture[str], installed: str) -> None:
    with listener() as address:
        pass
    line = refused(capfd, tmp_path / "run", "--ray.address", address)
    assert f"--ray.address: {address} cannot be reached (Connection refused); give the address" in line


def test_an_address_where_no_ray_answers(tmp_path: Path, capfd: pytest.CaptureFixture[str], installed: str) -> None:
    with listener() as address:
        line = refused(capfd, tmp_path / "run", "--ray.address", address)
    assert f"--ray.address: {address} " in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--ray.searcher-gpus 9", "the searcher asks for 1 CPU and 9 GPU, which no machine of the cluster has"),
        ("--ray.learner-cpus 64", "the learner asks for 64 CPU, which this machine has not"),
        ("--ray.learner-cpus 3", "learner, evaluator and one searcher ask for 4 CPU, and 3 of 3 are free"),
        ("--ray.evaluator-resource attic", "the evaluator asks for 0.001 attic, which no machine of the cluster has"),
    ],
)
def test_a_cluster_without_room(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], cluster: Any, words: str, said: str
) -> None:
    line = refused(capfd, tmp_path / "run", *words.split())
    assert f"--runtime ray: {said}; ask for less" in line


def test_a_cluster_with_room_is_not_complained_of(cluster: Any) -> None:
    check_room(cluster, ON_RAY)


def test_what_a_process_asks_for() -> None:
    settings = RayCluster(searcher_cpus=0.5, searcher_gpus=1.0, searcher_resource="attic")
    place = Place.of(settings, "searcher")
    assert place.asked == {"CPU": 0.5, "GPU": 1.0, "attic": 0.001}
    assert place.options("node") == {"num_cpus": 0.5, "num_gpus": 1.0, "resources": {"attic": 0.001}}
    assert Place.of(RayCluster(), "learner").here, "it writes the run's files"
    assert not Place.of(RayCluster(learner_resource="attic"), "learner").here
    with pytest.raises(SteelyardError, match=r"--ray\.learner-cpus: is 2\.5; use a share of 1"):
        RayCluster(learner_cpus=2.5)
