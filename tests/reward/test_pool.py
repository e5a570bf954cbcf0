"""Real hangs, real deaths, real kills."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steelyard.core import FaultError, SteelyardError
from steelyard.reward import Pool
from steelyard.reward.worker import Start, encode


def job(*completions, prompts=None):
    return {"prompts": prompts or ["q"] * len(completions), "completions": list(completions)}


def test_a_hang_costs_its_own_job_only():
    with Pool("hostile_rewards:hang_on_slow") as pool:
        pool.call(job("warm"), timeout_s=60.0)
        begin = time.monotonic()
        replies = pool.map([job("a"), job("slow"), job("b")], timeout_s=0.5)
        assert time.monotonic() - begin < 30
    assert [r.value for r in replies] == [[1.0], None, [1.0]]
    assert replies[1].error == "no answer within 0.5 s: its process was killed"


@pytest.mark.parametrize("name", ["spin", "hold_the_interpreter"])
def test_a_busy_loop_is_killed(name):
    with Pool(f"hostile_rewards:{name}") as pool:
        assert "killed" in pool.call(job("a"), timeout_s=0.3).error


def test_a_death_costs_its_own_job_only():
    with Pool("hostile_rewards:leave_on_die", num_workers=2) as pool:
        replies = pool.map([job("a"), job("die"), job("b"), job("die"), job("c")], timeout_s=60.0)
    assert [r.value for r in replies] == [[1.0], None, [1.0], None, [1.0]]
    assert replies[1].error == "its process died with exit code 7"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kill_itself", "signal SIGKILL"),
        ("say_exit", "SystemExit: enough"),
        ("eat_memory", "MemoryError"),
        ("recurse", "RecursionError"),
        ("raise_error", r"KeyError: 'no such\nthing'"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(name, says):
    with Pool(f"hostile_rewards:{name}", memory_mb=512) as pool:
        reply = pool.call(job("a"), timeout_s=60.0)
    assert reply.value is None
    assert says in reply.error
    assert "\n" not in reply.error


def test_processes_started_by_a_verifier_are_killed_with_it(tmp_path, gone):
    note = tmp_path / "pid"
    with Pool("hostile_rewards:with_child") as pool:
        pool.call(job("a", prompts=[str(note)]), timeout_s=2.0)
    assert gone(int(note.read_text()))


def test_a_fork_bomb_is_killed_whole(tmp_path, gone):
    with Pool("hostile_rewards:fork_bomb") as pool:
        assert "killed" in pool.call(job("a", prompts=[str(tmp_path)]), timeout_s=3.0).error
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 32
    assert all(gone(pid) for pid in pids)


def test_a_worker_killed_from_outside_costs_its_job_and_the_next_goes_well():
    with Pool("hostile_rewards:hang_on_slow") as pool, ThreadPoolExecutor(1) as thread:
        pool.call(job("warm"), timeout_s=60.0)
        reply = thread.submit(pool.call, job("slow"), timeout_s=60.0)
        time.sleep(0.3)
        (victim,) = pool._workers
        os.kill(victim.process.pid, signal.SIGKILL)
        assert reply.result(20).error == "its process died with signal SIGKILL"
        assert pool.call(job("a"), timeout_s=60.0).value == [1.0]


def test_a_worker_killed_while_idle_costs_the_job_that_finds_it():
    with Pool("hostile_rewards:pid") as pool:
        first = pool.call(job("a"), timeout_s=60.0).value[0]
        os.kill(int(first), signal.SIGKILL)
        assert pool.call(job("a"), timeout_s=60.0).error
        assert pool.call(job("a"), timeout_s=60.0).value[0] != first


def test_a_worker_that_ran_out_of_memory_is_not_used_again():
    with Pool("hostile_rewards:hog_once", memory_mb=512) as pool:
        assert "MemoryError" in pool.call(job("hog"), timeout_s=60.0).error
        assert pool.call(job("a"), timeout_s=60.0).value == [0.0]


def test_a_worker_that_cannot_start_again_is_an_error_of_its_job(tmp_path):
    """At first the function is to blame, and the run ends; later the moment is, and the next may be better."""
    target, leave = tmp_path / "moody.py", "import os\n\nos._exit(4)\n"
    target.write_text("import os\n\ndef f(**anything):\n    os._exit(3)\n")
    with Pool(f"{target}:f") as pool:
        assert "exit code 3" in pool.call({}, timeout_s=60.0).error
        target.write_text(leave)
        assert "died" in pool.call({}, timeout_s=60.0).error
        target.write_text("def f(**anything):\n    return 5\n")
        assert pool.call({}, timeout_s=60.0).value == 5
    target.write_text(leave)
    with Pool(f"{target}:f") as pool, pytest.raises(SteelyardError, match="exit code 4"):
        pool.call({}, timeout_s=60.0)


def test_no_process_to_be_had_is_a_clear_fault(monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Pool("hostile_rewards:pid") as pool, pytest.raises(FaultError, match="Resource temporarily unavailable"):
        pool.call(job("a"), timeout_s=1.0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("huge_number", "OverflowError"),
        ("half_a_character", "UnicodeEncodeError"),
        ("without_end", "RecursionError"),
        ("cancelled", "CancelledError"),
    ],
)
def test_a_result_that_cannot_be_sent_is_an_error_of_its_job(name, says):
    with Pool(f"hostile_rewards:{name}") as pool:
        reply = pool.call(job("a"), timeout_s=60.0)
    assert reply.value is None
    assert says in reply.error


@pytest.mark.parametrize("name", ["nonsense", "a_pickle", "wrong_types", "a_list", "a_lot", "too_deep"])
def test_a_message_of_another_form_is_an_error_and_ends_the_worker(name, gone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Pool(f"hostile_rewards:says_{name}") as pool:
        reply = pool.call(job("a"), timeout_s=60.0)
        assert reply.value is None
        assert "cannot be read" in reply.error
        assert "\n" not in reply.error
        assert not any(not w.ended for w in pool._workers)
    assert not (tmp_path / "owned").exists()


def test_half_a_message_is_an_error():
    with Pool("hostile_rewards:says_half") as pool:
        assert "died" in pool.call(job("a"), timeout_s=60.0).error


def test_close_leaves_no_process_and_a_later_call_starts_one(gone):
    pool = Pool("hostile_rewards:pid")
    first = pool.call(job("a"), timeout_s=60.0).value[0]
    assert pool.call(job("a"), timeout_s=60.0).value[0] == first
    pool.close()
    assert gone(int(first), within_s=0)
    second = pool.call(job("a"), timeout_s=60.0).value[0]
    pool.close()
    pool.close()
    assert second != first
    assert gone(int(second), within_s=0)


def test_a_forgotten_pool_leaves_no_process(gone):
    pool = Pool("hostile_rewards:pid")
    pid = int(pool.call(job("a"), timeout_s=60.0).value[0])
    del pool
    assert gone(pid, within_s=0)


def test_close_ends_a_job_under_way():
    pool, replies = Pool("hostile_rewards:hang_on_slow"), []
    pool.call(job("warm"), timeout_s=60.0)
    thread = threading.Thread(target=lambda: replies.append(pool.call(job("slow"), timeout_s=60.0)))
    thread.start()
    time.sleep(0.2)
    pool.close()
    thread.join(20)
    assert replies[0].value is None
    assert "died" in replies[0].error


def test_an_interrupted_job_leaves_no_reply_behind(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with Pool("hostile_rewards:later") as pool:
        pool.call(job("warm"), timeout_s=60.0)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("steelyard.reward.worker.receive", interrupted)
            pool.call(job("a"), timeout_s=60.0)
        assert pool.call(job("abc"), timeout_s=60.0).value == [3.0]


def test_nothing_starts_before_the_first_job():
    with Pool("no_such_module:f") as pool:
        assert pool.map([], timeout_s=1.0) == []


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:f", "ModuleNotFoundError"),
        ("hostile_rewards:no_such_function", "AttributeError"),
        ("hostile_rewards:not_callable", "not a callable"),
        ("no/such/file.py:f", "FileNotFoundError"),
        ("hostile_rewards:no_columns", "does not take these arguments"),
        ("hostile_rewards:not_plain", "its result is not plain data"),
    ],
)
def test_a_function_that_cannot_work_is_an_error(target, says):
    with Pool(target) as pool, pytest.raises(SteelyardError, match=says) as caught:
        pool.call(job("a") | {"level": [1]}, timeout_s=60.0)
    assert "\n" not in str(caught.value)


def test_a_module_that_leaves_while_imported_is_an_error(tmp_path):
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    with Pool(f"{tmp_path}/leaves.py:f") as pool, pytest.raises(SteelyardError, match="SystemExit: 3"):
        pool.call({}, timeout_s=60.0)


def test_arguments_must_be_plain_data():
    with Pool("hostile_rewards:pid") as pool:
        with pytest.raises(SteelyardError, match="not plain data"):
            pool.call({"prompts": [object()], "completions": ["a"]}, timeout_s=60.0)
        assert "UnicodeEncodeError" in pool.call(job("\ud800"), timeout_s=60.0).error


def test_what_a_verifier_prints_goes_to_stderr_and_it_reads_nothing(capfd):
    with Pool("hostile_rewards:chatter") as pool:
        assert pool.call(job("a"), timeout_s=60.0).value == [0.0]
    out, err = capfd.readouterr()
    assert out == ""
    assert "a verifier prints" in err


def test_functions_run_in_a_main_thread_whoever_calls():
    values = []
    with Pool("hostile_rewards:alarmed", num_workers=2) as pool:
        threads = [
            threading.Thread(target=lambda: values.append(pool.call(job("a"), timeout_s=60.0).value)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert values == [[1.0]] * 6


def test_a_large_job_passes():
    with Pool("hostile_rewards:later") as pool:
        assert pool.call(job("x" * 3_000_000), timeout_s=60.0).value == [3e6]


PARENT = """
import sys, threading, time
from steelyard.reward import Pool
name, sys.path[:0] = sys.argv[1], [sys.argv[2]]
pool, job = Pool("hostile_rewards:" + name), {"prompts": ["q"], "completions": ["slow"]}
threading.Thread(target=pool.call, args=[job], kwargs={"timeout_s": 1.0}, daemon=True).start()
while not pool._workers or (name == "pid" and pool._idle.queue[-1:] != list(pool._workers)):
    time.sleep(0.01)
print(next(iter(pool._workers)).process.pid, flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("name", ["pid", "hang_on_slow"])
def test_workers_leave_when_the_parent_is_killed(gone, name):
    """An idle one at once; one that hangs ends itself some seconds after the deadline that nobody keeps any more."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, name, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(pid, within_s=25)


def test_messages_are_data():
    packed = b"\x84\xa4path\x91\xa1a\xa6target\xa3m:f\xa9memory_mb@\xa6candid\x90"
    assert encode(Start(["a"], "m:f", 64)) == packed
