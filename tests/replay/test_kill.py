"""kill -9 of a writing process, again and again: what `add` returned for is there, and no call is stored in half.

One process is started that has the package imported; it forks a writer for each round and kills it with SIGKILL.
"""

import subprocess
import sys

import pytest

ROUNDS = 25

SCRIPT = '''
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from steelyard.core import Sampling, Trajectory
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.replay.inspect import open_view

path, kind, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
settings = {"buffer": PrioritizedReplay(capacity=50), "queue": SingleUse()}[kind]
CALL = 3

def trajectory(i):
    tokens_T = np.array([i, 1], np.int32)
    return Trajectory(f"p{i % 7}", tokens_T, np.ones(2, bool), np.zeros(2, np.float32), 0, "d", Sampling(), "stop",
                      sample=i, reward=float(i % 5), info={"text": "x" * 200})

def write(pipe):
    """Go on where the file ends; say each call that returned."""
    replay = settings.open(seed=0, path=path)
    i = int(replay.metrics()["replay/admitted"])
    while True:
        replay.add([trajectory(i + k) for k in range(CALL)], version=0)
        i += CALL
        os.write(pipe, b"%d\\n" % i)
        if i % 7 == 0:
            replay.sample(2, 2, version=0, draw=i)
        if i % 11 == 0:
            replay.state()

def round_(rng, acknowledged):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        write(writing)
    os.close(writing)
    with os.fdopen(reading) as said:
        first = said.readline()
        assert first, "the writer failed"
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = [first, *said.readlines()]
    acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith("\\n"))])
    check(acknowledged)
    return acknowledged

def check(acknowledged):
    with open_view(path) as view:
        view.verify()
        taken = [sample for (sample,) in view._connection.execute("SELECT sample FROM rows ORDER BY seq")]
        counts = view.summary().counts
        live = view.summary().live
    assert taken == list(range(len(taken))), "none is missing, none is twice"
    assert counts["admitted"] == len(taken) and len(taken) % CALL == 0, "a call is stored whole or not at all"
    assert acknowledged <= len(taken) <= acknowledged + CALL, (acknowledged, len(taken))
    assert live == counts["admitted"] - counts.get("evicted", 0) - counts.get("used", 0)

rng, acknowledged = random.Random(0), 0
for _ in range(rounds):
    acknowledged = round_(rng, acknowledged)
replay = settings.open(seed=0, path=path)
assert len(replay.admitted_since(None)) >= acknowledged
replay.close()
print(acknowledged)
'''


@pytest.mark.parametrize("kind", ["buffer", "queue"])
def test_nothing_that_was_acknowledged_is_lost(kind, path):
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(path), kind, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3 * ROUNDS
