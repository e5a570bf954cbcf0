import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.report.track import Mirror, Tracked, check_trackers, mirror, show_again
from steelyard.report.track.mirror import numbers_of

SIZES = {"max-steps": 2, "num-prompts": 1, "search-prompts": 1, "num-generations": 2, "max-completion-length": 4}
SIZES |= {"replay.warmup": 0, "evaluation.prompts": 1, "evaluation.sampled-prompts": 1, "evaluation.samples": 2}
FEW = ["--runtime=inline", *(f"--{name}={size}" for name, size in SIZES.items())]


class Kept:
    """A tracker that keeps what it is given."""

    def __init__(self, tracked, package):
        self.tracked = tracked
        self.given = []
        MADE.append(self)

    def numbers(self, values, step):
        self.given.append(("numbers", step, dict(values)))

    def samples(self, rows, step):
        self.given.append(("samples", step, [row["completion"] for row in rows]))

    def close(self):
        self.given.append("closed")


MADE: list[Kept] = []


@pytest.fixture
def kept(monkeypatch):
    """The tracker `kept` is known; the list of those that were made."""
    monkeypatch.setitem(sys.modules, "steelyard.report.track.in_kept", sys.modules[__name__])
    monkeypatch.setattr(mirror, "TRACKERS", {"kept": ("json", "Kept")})
    MADE.clear()
    return MADE


def test_the_numbers_of_a_row():
    row = {"step": 3, "loss": 0.5, "flag": True, "none": None, "far": math.inf, "styles": {"left": 1}, "text": "a"}
    assert list(numbers_of(row)) == [("loss", 0.5), ("styles/left", 1.0)]


def test_rows_in_order_and_samples_of_an_evaluation_together(kept, tmp_path):
    with Mirror(["kept"], Tracked(tmp_path / "run", resumed=False)) as shown:
        shown.watch("waiting", {"who": "learner", "seconds": 1})
        assert kept == []  # nothing to show yet
        shown.watch("metrics", {"step": 1, "loss": 2})
        shown.watch("samples", {"step": 1, "completion": "a"})
        shown.watch("samples", {"step": 1, "completion": "b"})
        shown.watch("samples", {"step": 2, "completion": "c"})
        shown.watch("eval", {"step": 2, "eval/accuracy": 1.0})
    (one,) = kept
    assert one.tracked.name == "run"
    assert one.given == [
        ("numbers", 1, {"loss": 2.0}),
        ("samples", 1, ["a", "b"]),
        ("numbers", 2, {"eval/accuracy": 1.0}),
        ("samples", 2, ["c"]),
        "closed",
    ]


def test_a_run_and_its_records_say_the_same(kept, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "arithmetic", *FEW, "--output-dir", "run", "--track", "kept"]) == 0
    show_again(Path("run"), ["kept"])
    live, again = ({json.dumps(what) for what in one.given} for one in kept)
    assert live == again
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [what[1] for what in kept[0].given if "learner/loss" in what[2]] == [row["step"] for row in rows]
    assert kept[0].given[-1] == "closed"
    assert main(["train", "--resume", "run", "--max-steps", "3", "--track", "kept"]) == 0
    assert kept[2].tracked.resumed and {what[1] for what in kept[2].given[:-1]} == {3}
    assert main(["report", "run", "--track", "kept"]) == 0
    assert "shown in kept: run" in capsys.readouterr().out


def test_a_refused_run_makes_no_tracker(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "arithmetic", "--model", "nowhere", "--track", "kept"]) == 2
    assert kept == []


def test_what_is_not_there():
    with pytest.raises(SteelyardError, match="there is no 'tensorbord'; did you mean 'tensorboard'"):
        check_trackers(["tensorbord"])


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(mirror, "find_spec", lambda name: None)
    with pytest.raises(SteelyardError, match=r"needs the package wandb.*pip install 'steelyard\[wandb\]'"):
        check_trackers(["wandb"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run."""
    place = tmp_path_factory.mktemp("tracked")
    assert main(["train", "arithmetic", *FEW, "--output-dir", str(place / "run")]) == 0
    return place / "run"


LOSSES = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator("run/tensorboard")
events.Reload()
found = [(event.step, event.value) for event in events.Scalars("learner/loss")]
assert "samples/0/text_summary" in events.Tags()["tensors"]
"""
ROWS = """
import trackio
(project,) = [one for one in [trackio.sqlite_storage.SQLiteStorage]]
rows = project.get_logs("steelyard", "run")
found = [(row["step"], row["learner/loss"]) for row in rows if "learner/loss" in row]
assert "samples/0" in str(rows) or project.get_traces("steelyard", "run")
"""
HISTORY = """
import glob, json
from wandb.proto import wandb_internal_pb2
def records(data, place=7, part=b""):  # LevelDB's log format, after a header of 7 bytes
    while place < len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        part += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield wandb_internal_pb2.Record.FromString(part)
            part = b""
(path,) = glob.glob("run/wandb/offline-run-*/run-*.wandb")
found = []
for record in records(open(path, "rb").read()):
    row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
    if "learner/loss" in row:
        found.append((row["step"], row["learner/loss"]))
"""
POINTS = """
from mlflow.tracking import MlflowClient
client = MlflowClient("sqlite:///mlflow.db")
(one,) = client.search_runs([client.get_experiment_by_name("steelyard").experiment_id])
found = [(point.step, point.value) for point in client.get_metric_history(one.info.run_id, "learner/loss")]
assert one.info.run_name == "run" and one.info.status == "FINISHED"
assert client.list_artifacts(one.info.run_id, "samples")
"""


def python(here, *words):
    """What Python prints in a directory that is also its home."""
    env = {"HOME": str(here), "TRACKIO_DIR": str(here / "trackio"), "PATH": "/usr/bin:/bin"}
    env["PYTHONPATH"] = ":".join(sys.path)
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("name", "read"), [("tensorboard", LOSSES), ("trackio", ROWS), ("wandb", HISTORY), ("mlflow", POINTS)]
)
def test_the_real_package_has_the_curve(name, read, run, tmp_path):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: make test-trackers")
    (tmp_path / "run").symlink_to(run)
    done = python(tmp_path, "-m", "steelyard", "report", "run", "--track", name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["track"] == [name]
    told = python(tmp_path, "-c", f"{read}\nimport json; print(json.dumps(found))")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert found == [[row["step"], pytest.approx(row["learner/loss"], rel=1e-5)] for row in rows]
