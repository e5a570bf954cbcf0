"""A server of our own, with a program in the place of vLLM: it starts, it is watched, and nothing of it is left."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.rollout import vllm_keeper, vllm_server
from steelyard.rollout.vllm_server import Command, VllmServer, first_error, found_version

PROGRAM = Path(__file__).with_name("fake_vllm_program.py")


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends within so many seconds; a zombie has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_VLLM_NOTES", str(tmp_path / "notes.json"))
    return tmp_path / "notes.json"


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    program.chmod(0o700)
    return Command(str(program), tmp_path / "model", "float32", 64, 1, "--enforce-eager --x 'a b'")


@pytest.fixture
def started(command, tmp_path, notes):
    server = VllmServer(command, tmp_path / "logs" / "server.log", 5.0)
    yield server
    server.close()


def test_it_is_started_apart_and_for_this_machine_alone(started, notes, tmp_path, monkeypatch):
    started.wait(30.0)
    seen = json.loads(notes.read_text())
    words, environment = seen["words"], seen["environment"]
    assert words[:4] == [*vllm_server.PROGRAM, "--model", str(tmp_path / "model")]
    assert words[-3:] == ["--enforce-eager", "--x", "a b"]
    for flag, value in (("--dtype", "float32"), ("--max-model-len", "64"), ("--logprobs-mode", "processed_logprobs")):
        assert words[words.index(flag) + 1] == value
    assert "--host" not in words
    assert "--port" not in words
    place = Path(words[words.index("--uds") + 1]).parent
    assert place.stat().st_mode & 0o077 == 0, "nobody else reaches its socket"
    assert seen["cwd"] == str(place)
    assert environment["VLLM_RPC_BASE_PATH"] == environment["TMPDIR"] == str(place)
    assert environment["VLLM_SERVER_DEV_MODE"] == environment["HF_HUB_OFFLINE"] == environment["DO_NOT_TRACK"] == "1"
    assert environment["VLLM_HOST_IP"] == "127.0.0.1"
    assert len(environment["VLLM_API_KEY"]) == 64
    assert not any(environment["VLLM_API_KEY"] in word for word in words), "anybody can read a command line"
    assert "PYTHONPATH" not in environment
    assert started.client.get("/version") == {}
    assert started.log.read_text().startswith("a line before")
    assert started.why_gone() is None


def test_it_ends_with_all_it_started(started, notes):
    started.wait(30.0)
    seen = json.loads(notes.read_text())
    started.close()
    assert gone(seen["pid"])
    assert gone(seen["child"])
    assert not Path(seen["cwd"]).exists()
    assert started.log.exists(), "its log stays"
    started.close()


def test_it_ends_with_its_object(command, tmp_path, notes):
    server = VllmServer(command, tmp_path / "log", 5.0)
    server.wait(30.0)
    seen = json.loads(notes.read_text())
    del server
    gc.collect()
    assert gone(seen["pid"])
    assert gone(seen["child"])


def test_it_ends_with_the_process_that_started_it_however_that_dies(command, tmp_path, notes):
    code = (
        "import sys, time; from pathlib import Path; from steelyard.rollout.vllm_server import Command, VllmServer;"
        "s = VllmServer(Command(sys.argv[1], Path('m'), 'float32', 64, 1), Path(sys.argv[2]), 5.0); s.wait(60.0);"
        "print('there', flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", code, command.python, str(tmp_path / "log")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "there\n"
        seen = json.loads(notes.read_text())
        owner.kill()
    assert gone(seen["pid"])
    assert gone(seen["child"])
    until = time.monotonic() + 10
    while Path(seen["cwd"]).exists():  # the keeper does this last
        assert time.monotonic() < until
        time.sleep(0.05)


def test_one_that_is_killed_is_missed_and_nothing_is_left(started, notes):
    started.wait(30.0)
    seen = json.loads(notes.read_text())
    os.kill(seen["pid"], signal.SIGKILL)
    assert gone(started.process.pid)
    assert started.why_gone() == "ended with exit code 137"
    assert gone(seen["child"])


def test_one_that_fails_says_why(command, tmp_path, notes, monkeypatch):
    monkeypatch.setenv("FAKE_VLLM", "broken")
    server = VllmServer(command, tmp_path / "log", 5.0)
    with pytest.raises(SteelyardError) as caught:
        server.wait(30.0)
    said = "ended with exit code 1 (ValueError: Head size 24 is not supported by CPU_ATTN.) at its start; see "
    assert str(caught.value).startswith(f"--vllm.python: the server {said}{tmp_path / 'log'}")


def test_one_that_is_late_is_ended(command, tmp_path, notes, monkeypatch):
    monkeypatch.setenv("FAKE_VLLM", "late")
    server = VllmServer(command, tmp_path / "log", 5.0)
    while not notes.exists():
        time.sleep(0.05)
    with pytest.raises(
        SteelyardError, match=r"the server did not start within 0.5 s; see .*, or raise --vllm.start-dead"
    ):
        server.wait(0.5)
    assert gone(json.loads(notes.read_text())["pid"])


def test_one_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(vllm_keeper, "GRACE_S", 0.3)
    words = [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(99)",
    ]
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert vllm_keeper.end(process) == -signal.SIGKILL
    process.stdout.close()


def test_the_first_error_of_a_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("INFO well\nTraceback (most recent call last):\nValueError: first\nRuntimeError: second\n")
    assert first_error(log) == "ValueError: first"
    log.write_text("WARNING this can cause errors like `OSError: [Errno 24]`\nINFO ErrorHandler is there\n")
    assert first_error(log) == ""


def test_an_environment_is_asked_for_its_version(tmp_path, monkeypatch):
    with pytest.raises(SteelyardError, match=r"--vllm\.python: '/nowhere/python' cannot be run \(No such file"):
        found_version("/nowhere/python", 5.0)
    with pytest.raises(SteelyardError, match="has no vLLM; name the interpreter"):
        found_version(sys.executable, 30.0)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    with pytest.raises(SteelyardError, match=r"says nothing for 0.2 s"):
        found_version(str(slow), 0.2)
