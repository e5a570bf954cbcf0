"""The processes of a learner on several devices: rank 0 is the learner's own, which starts the others.

They meet in a file and talk over loopback; what they say are tensors and the bytes of msgspec structs. A rank ends when
rank 0 does: its standard input is closed then. Where a rank dies, the others' next exchange fails, and the run ends as
if the learner had died.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from steelyard.core import decode, encode, require
from steelyard.learner import Learner
from steelyard.learner.sharded import Shard, ShardedLearner, check_shardable, follow
from steelyard.policy import Policy
from steelyard.runtime.run import Run

_LONGEST = timedelta(days=30)
"""A rank waits for rank 0 as long as that waits for the driver, whose own deadlines count."""


def check_sharding(run: Run) -> None:
    """See that a learner on several devices can be: there are as many, and all that it trains can be cut.

    Raises:
        SteelyardError: it cannot.
    """
    number = run.learner.devices
    if number == 1:
        return
    where = "--learner.devices"
    check_shardable(run.objective, lora=bool(run.lora_rank), intervention=run.intervention is not None)
    what = f"is {number}, but --runtime is inline, which computes in one process"
    require(run.runtime != "inline", what, where=where, hint="take --runtime local or ray")
    what = f"is {number}, and weights cannot go through the memory of one of them"
    require(run.local.weights == "host", what, where=where, hint="leave out --local.weights device")
    kind, index = (*run.placed("learner")[0].split(":"), "")[:2]
    what = f"is {number}, but {run.placed('learner')[0]} is one device"
    require(not index, what, where=where, hint=f"write {kind}, for the first {number}")
    gpus = torch.cuda.device_count()
    there = os.cpu_count() or 1 if kind == "cpu" or not gpus else gpus
    what = f"is {number}, but this machine has {there} {'cores' if kind == 'cpu' or not gpus else 'GPUs'}"
    require(number <= there, what, where=where, hint=f"use {there} or fewer")


def sharded_learner(run: Run, policy: Policy, **settings: Any) -> Learner:
    """A learner on `run.learner.devices` devices, whose other processes are started here.

    Args:
        run: the settings.
        policy: whole.
        settings: of the learner.
    """
    from steelyard.runtime.factories import make_policy

    check_sharding(run)
    number = run.learner.devices
    place = tempfile.TemporaryDirectory(prefix="steelyard-ranks-")
    meeting = Path(place.name) / "meeting"
    others = [_start(run, meeting, rank, number) for rank in range(1, number)]
    try:
        _meet(meeting, 0, number)
        shard = Shard(make_policy(run, "learner"), run.objective, run.optimizer, **settings)
        learner = ShardedLearner(policy, run.objective, run.optimizer, shard=shard, **settings)
    except BaseException:  # whatever it was, no process outlives this call
        _end(others, place)
        raise
    weakref.finalize(learner, _end, others, place)
    return learner


def _start(run: Run, meeting: Path, rank: int, ranks: int) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "steelyard.runtime.shards", str(meeting), str(rank), str(ranks)]
    process = subprocess.Popen([*words, str(torch.get_num_threads())], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps(encode(run)).encode() + b"\n")
    process.stdin.flush()
    return process


def _end(others: "list[subprocess.Popen[bytes]]", place: "tempfile.TemporaryDirectory[str]") -> None:
    for process in others:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    place.cleanup()


def _meet(meeting: Path, rank: int, ranks: int) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody else can reach what gloo opens
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    place = {"init_method": f"file://{meeting}", "rank": rank, "world_size": ranks}
    torch.distributed.init_process_group(backend, timeout=_LONGEST, **place)


def main() -> None:
    """Be a rank above 0."""
    from steelyard.runtime.factories import fitting, learner_settings, make_policy

    meeting, rank, ranks, threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
    torch.set_num_threads(threads)
    run: Run = decode(json.loads(sys.stdin.buffer.readline()), Run, trusted=True)
    threading.Thread(target=_end_with_rank_0, daemon=True).start()
    _meet(meeting, rank, ranks)
    policy = make_policy(run, "learner", rank)
    shard = Shard(policy, run.objective, run.optimizer, **learner_settings(fitting(run, policy)))
    follow(shard)


def _end_with_rank_0() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
