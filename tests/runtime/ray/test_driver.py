"""Real actors on a real Ray of this machine, and real signals."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faults.harm import ON_RAY, PATIENCE, SIGKILL, SIGSTOP, at_step, driven, gone, resume_command, rows, send, until
from steelyard.core import FaultError, SteelyardError, Stopped, Trajectory, from_bytes
from steelyard.replay import ReplayBuffer
from steelyard.runtime import Processes, Ray, Records, Restarts
from steelyard.runtime.ray.supervisor import why_gone
from steelyard.training import resume

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray leaves files and sockets to the garbage collector

Acked = list[tuple[str, int, tuple[int, ...]]]


@pytest.fixture
def acked(monkeypatch: pytest.MonkeyPatch) -> Acked:
    """Each trajectory whose storing was acknowledged: prompt, sample, tokens."""
    found: Acked = []
    add = ReplayBuffer.add

    def added(self: ReplayBuffer, trajectories: Sequence[Trajectory], *, version: int) -> int:
        admitted = add(self, trajectories, version=version)
        assert admitted == len(trajectories), "these runs refuse nothing"
        found.extend((t.prompt_id, t.sample, tuple(t.tokens_T.tolist())) for t in trajectories)
        return admitted

    monkeypatch.setattr(ReplayBuffer, "add", added)
    return found


def stored(directory: Path) -> list[tuple[str, int, tuple[int, ...], bool]]:
    """Prompt, sample and tokens of all that is in the file, and whether it carries its version's digest."""
    joined = "rows join prompts on prompts.id = rows.prompt join bodies using (seq)"
    with sqlite3.connect(f"file:{directory}/replay.sqlite?mode=ro", uri=True) as file:
        ledger = dict(file.execute("select version, digest from weights").fetchall())
        found = file.execute(f"select name, sample, version, data from {joined}").fetchall()
    kept = [(name, sample, version, from_bytes(data)) for name, sample, version, data in found]
    return [(name, sample, (*t.tokens_T.tolist(),), t.digest == ledger[v]) for name, sample, v, t in kept]


def check_books(directory: Path, acked: Acked) -> None:
    """0 lost: what was acknowledged is there, or its twin of the same tokens. 0 twice. Each under its digest."""
    found = stored(directory)
    pairs = [(name, sample) for name, sample, _, _ in found]
    assert len(pairs) == len(set(pairs)) > 0
    assert all(named for *_, named in found)
    there = {(name, tokens) for name, _, tokens, _ in found}
    lost = [a for a in acked if a[:2] not in set(pairs) and (a[0], a[2]) not in there]
    assert lost == []
    assert len({a[:2] for a in acked}) == len(acked), "no sample was accepted twice"


def test_a_run_on_ray_learns_asynchronously_and_its_actors_end(tmp_path: Path, cluster: Any, acked: Acked) -> None:
    with Records(tmp_path / "run") as records:
        driver = Ray(ON_RAY, records)
        summary = driver.train()
    assert (summary["steps"], summary["restarts"]) == (40, 0)
    assert len(summary["searcher_pids"]) == 2
    assert os.getpid() not in summary["searcher_pids"]
    assert [row["step"] for row in rows(tmp_path / "run", "metrics")] == list(range(1, 41))
    measured = [row["version"] for row in rows(tmp_path / "run", "eval")]
    assert measured[0] == 0, "the evaluator has the first weights itself"
    assert measured[-1] == 40
    versions = {t[2] for t in acked}
    assert len(versions) > 1
    assert (tmp_path / "run/model/model.safetensors").is_file()
    pids = [child.pid for child in driver.supervisor.children.values()]
    until(lambda: all(gone(pid) for pid in pids), "the actors' end", 20.0)
    check_books(tmp_path / "run", acked)


@pytest.mark.long  # half a minute of kills; the local runtime's run every time
def test_killed_actors_of_each_kind_lose_nothing_and_double_nothing(tmp_path: Path, cluster: Any, acked: Acked) -> None:
    """Searcher, evaluator, and in the end the learner, which ends the run; then it is resumed, and hurt again."""
    patient = Processes()  # on a busy machine a searcher may be silent for the three seconds of other tests
    run = replace(ON_RAY, keep_checkpoints=100, restarts=Restarts(limit=100, backoff=0.1), local=patient)

    def hurt(driver: Ray) -> None:
        at_step(driver, 3)
        for name in ("searcher 0", "evaluator"):
            send(driver.supervisor.children[name].pid, SIGKILL)
        until(lambda: driver.coordinator.failures.total >= 2, "two failures")
        at_step(driver, 12)
        send(driver.supervisor.children["learner"].pid, SIGKILL)

    with pytest.raises(FaultError, match=r"learner \(pid \d+ on .*\): is gone.* while the run was going"):
        driven(Ray, run, tmp_path / "run", hurt)
    faults = rows(tmp_path / "run", "faults")
    assert {row["who"].split(" (")[0] for row in faults} == {"searcher 0", "evaluator"}
    assert all("is gone" in row["why"] for row in faults)
    before = {t[:2] for t in stored(tmp_path / "run")}
    check_books(tmp_path / "run", acked)
    result = resume(tmp_path / "run", report=False)
    assert result.summary["steps"] == 40
    metrics = rows(tmp_path / "run", "metrics")
    assert [row["step"] for row in metrics] == list(range(1, 41))
    versions = [row["version"] for row in metrics]
    assert versions == sorted(set(versions))
    assert versions[-1] > 40, "the versions of the lost steps are not used again"
    after = {t[:2] for t in stored(tmp_path / "run")}
    assert len(before - after) <= metrics[-1]["replay/duplicates"], "each is there, or gave way to its twin"
    check_books(tmp_path / "run", acked)


@pytest.mark.long
def test_a_searcher_joins_a_run_that_has_begun(tmp_path: Path, cluster: Any, acked: Acked) -> None:
    class Holder:
        def ready(self) -> bool:
            return True

    holder = cluster.remote(Holder).options(num_cpus=1).remote()
    assert cluster.get(holder.ready.remote(), timeout=60)

    def join(driver: Ray) -> None:
        at_step(driver, 3)
        alone = [child for child in driver.supervisor.children.values() if child.role == "searcher"]
        assert sorted(child.pid is None for child in alone) == [False, True]
        cluster.kill(holder)
        until(lambda: all(child.pid is not None for child in alone), "a place for the second searcher")
        late = next(child for child in alone if driver.coordinator.workers[child.name].phase != "ready")
        until(lambda: driver.coordinator.workers[late.name].owed(), "work for it")
        driver.stop.requested = signal.SIGTERM

    with pytest.raises(Stopped):
        patient = Processes()  # nobody is killed here: on a busy machine a searcher may be silent for three seconds
        driven(Ray, replace(ON_RAY, max_steps=100_000, save_steps=0, local=patient), tmp_path / "run", join)
    assert not rows(tmp_path / "run", "faults")
    check_books(tmp_path / "run", acked)


@pytest.mark.long
def test_a_frozen_searcher_is_killed_and_its_work_is_drawn_again(tmp_path: Path, cluster: Any, acked: Acked) -> None:
    def hurt(driver: Ray) -> None:
        at_step(driver, 3)
        frozen = driver.supervisor.children["searcher 0"]
        send(frozen.pid, SIGSTOP)
        until(lambda: driver.supervisor.children.get("searcher 0") is not frozen, "the frozen searcher to be given up")
        until(lambda: gone(frozen.pid), "its end")
        driver.stop.requested = signal.SIGTERM

    with pytest.raises(Stopped):
        driven(Ray, replace(ON_RAY, max_steps=100_000), tmp_path / "run", hurt)
    (fault,) = rows(tmp_path / "run", "faults")
    assert "said nothing for 3 s" in fault["why"]
    check_books(tmp_path / "run", acked)


@pytest.mark.long  # a cluster of its own, for a quarter of a minute
def test_a_mistake_of_a_part_ends_the_run_with_its_line(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(SteelyardError, match="no-such-model"):
        Ray(replace(ON_RAY, model="./no-such-model"), Records(tmp_path / "run")).train()
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_the_drivers_own_death_leaves_nothing_behind_and_the_run_goes_on(tmp_path: Path, installed: str) -> None:
    """`kill -9` of `steelyard train`, with a Ray of its own, and `steelyard train --resume`, which starts another."""
    run = tmp_path / "run"
    words = [sys.executable, "-m", "steelyard", "train", "arithmetic", "--runtime", "ray", "--output-dir", str(run)]
    words += ["--max-steps", "24", "--save-steps", "5", "--num-prompts", "8", "--search-prompts", "8"]
    words += ["--num-generations", "4", "--evaluation.prompts", "16", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: len(rows(run, "metrics")) >= 7 or process.poll() is not None, "step 7")
    assert process.poll() is None, process.communicate()[1]
    family = descendants(process.pid)
    assert len(family) >= 5
    assert listening(family) <= {"127.0.0.1", "::1"}, "nobody else can reach what this Ray has opened"
    assert all("RAY_AUTH_MODE=token" in environment(pid) for pid in servers(family))
    assert len(servers(family)) >= 2
    agents = [pid for pid in family if b"Agent" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    send(process.pid, SIGKILL)
    process.communicate()
    before = {t[:2] for t in stored(run)}
    computing = [pid for pid in family if pid not in agents]  # Ray's agents look for their parent once in a while
    until(lambda: all(gone(pid) for pid in computing), "the end of actors and servers", 30.0)
    done = resume_command(run)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 24
    assert [row["step"] for row in rows(run, "metrics")] == list(range(1, 25))
    found = [t[:2] for t in stored(run)]
    assert len(found) == len(set(found))
    assert len(before - set(found)) <= rows(run, "metrics")[-1]["replay/duplicates"]


@pytest.mark.long
def test_a_run_that_is_told_to_stop_makes_a_checkpoint_and_ends(tmp_path: Path, installed: str) -> None:
    run = tmp_path / "run"
    words = [sys.executable, "-m", "steelyard", "train", "arithmetic", "--runtime", "ray", "--output-dir", str(run)]
    words += ["--save-steps", "0", "--num-prompts", "8", "--search-prompts", "8", "--num-generations", "4"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until(lambda: len(rows(run, "metrics")) >= 3 or process.poll() is not None, "step 3")
    family = descendants(process.pid)
    began = time.monotonic()
    send(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert time.monotonic() - began < 20
    assert "with a checkpoint of step" in said.splitlines()[-1]
    until(lambda: all(gone(pid) for pid in family), "the end of all that it had started", 20.0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("The actor died unexpectedly before finishing this task.\n\tpid: 7\nThe actor is dead because its worker "
         "process has died. Worker exit type: SYSTEM_ERROR Worker", "is gone: its worker process has died"),
        ("The actor 12ab is unavailable: The actor is restarting. The task may or may not have been executed",
         "is gone: The actor is restarting"),
        ("The actor died because of an error raised in its creation task, ray::Searcher()\n  File\n"
         "ModuleNotFoundError: No module named 'x'", "could not begin: ModuleNotFoundError: No module named 'x'"),
        ("no word of a cause", "is gone (RuntimeError)"),
    ],
)  # fmt: skip
def test_how_an_actor_ended_is_said_in_a_line(said: str, why: str) -> None:
    assert why in why_gone(RuntimeError(said))
    assert "\n" not in why_gone(RuntimeError(said))


def descendants(pid: int) -> list[int]:
    """Process ids of all below it."""
    children = [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]
    return [p for child in children for p in (child, *descendants(child))]


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")


def servers(pids: Sequence[int]) -> list[int]:
    """Those that hold the cluster together."""
    names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if not gone(pid)}
    return [
        pid
        for pid, name in names.items()
        if b"gcs_server" in name.split(b"\0")[0] or b"/raylet" in name.split(b"\0")[0]
    ]


def listening(pids: Sequence[int]) -> set[str]:
    """The addresses where these processes listen."""
    import psutil

    found = set()
    for pid in pids:
        try:
            held = psutil.Process(pid).net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        ips = {connection.laddr.ip for connection in held if connection.status == psutil.CONN_LISTEN}
        found |= {ip.removeprefix("::ffff:") for ip in ips}
    return found
