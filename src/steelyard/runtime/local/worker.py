"""A child process of a local run, from the pipe on; see `entry.py` for how it begins.

It is told its role and the run's settings over the pipe, builds its parts, and serves until it is told to stop or the
supervisor is gone. What goes wrong is sent to the supervisor, which owns the run.
"""

import contextlib
import json
import os
import signal
import time
import traceback
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from steelyard.core import SteelyardError, Weights, decode, from_bytes, to_bytes
from steelyard.learner import Learner
from steelyard.runtime.factories import (
    check_prompts,
    fitting,
    make_evaluation,
    make_learner,
    make_policy,
    make_searcher,
    make_task,
    save_model,
)
from steelyard.runtime.local.heartbeat import telling
from steelyard.runtime.local.messages import (
    Build,
    Built,
    Down,
    Draw,
    Drawn,
    End,
    Evaluated,
    EvaluateNewest,
    Failed,
    FoundBytes,
    Published,
    Saved,
    SaveInto,
    Stepped,
    TrainOn,
    receive_down,
    send,
)
from steelyard.runtime.local.publisher import Publisher
from steelyard.runtime.local.shared import SharedWeights
from steelyard.runtime.local.supervisor_reward import SupervisorReward
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment

_YIELDS = 5


def search(pipe: Connection, start: Build, run: Run) -> None:
    """Draw what is assigned, with the newest weights, until told to stop."""
    policy = make_policy(run, "search")
    run = fitting(run, policy)
    task = make_task(run)
    prompts = task.prompts("train")
    send(pipe, Built())
    if isinstance(receive_down(pipe, run.local.start_deadline, "searcher"), End):
        return
    weights = SharedWeights.attach(start.weights)
    references = SharedWeights.attach(start.references)
    searcher = make_searcher(run, policy, prompts, task.score if start.scores else None, weights, references)
    # Where a bare callable scores, the supervisor answers nobody meanwhile, for as long as the callable takes.
    patience = run.local.deadline if start.scores else None
    waiting: deque[Down] = deque()
    while True:
        began = time.monotonic()
        if not waiting:
            waiting.append(receive_down(pipe, patience, "searcher"))
        while pipe.poll(0):
            waiting.append(receive_down(pipe, 0.0, "searcher"))
        # A stop overtakes the batches assigned before it.
        if any(isinstance(message, End) for message in waiting):
            return
        message = waiting.popleft()
        got = time.monotonic()
        assert isinstance(message, Draw)
        for found in searcher.search([Assignment(*item) for item in message.items]):
            send(pipe, FoundBytes([to_bytes(t) for t in found]))
        gauge = searcher.logp_mismatch
        gap = None if gauge is None else (gauge.mean, gauge.max)
        send(pipe, Drawn(busy=time.monotonic() - got, idle=got - began, gap=gap))


def learn(pipe: Connection, start: Build, run: Run) -> None:
    """Step on what replay hands over; publish; save what is asked for."""
    policy = make_policy(run, "learner")
    learner = make_learner(fitting(run, policy), policy)
    if start.checkpoint is not None:
        learner.restore(Path(start.checkpoint), version=start.version)
    learner.version = start.version
    first = Weights.of(learner.policy.weights(), start.version)
    send(pipe, Published(first.version, first.digest))
    weights = SharedWeights.create(start.weights, first)
    references = SharedWeights.create(start.references, learner.reference)
    send(pipe, Built())
    if isinstance(receive_down(pipe, run.local.start_deadline, "learner"), End):
        return
    patience = 2 * run.local.deadline if start.scores else None
    publisher = Publisher(weights, learner.policy, lambda *named: send(pipe, Published(*named)), run.local.deadline)
    metrics = None
    idle = 0.0
    while True:
        if learner.steps >= run.max_steps:
            publisher.wait()  # the evaluator is asked for the last weights
        send(pipe, Stepped(learner.steps, learner.version, metrics, idle))
        groups, idle = _wait_for_groups(pipe, learner, publisher, patience)
        if groups is None:
            return
        metrics = learner.step([[from_bytes(t) for t in group] for group in groups.groups])
        if groups.publish:
            publisher.publish(learner.version)
        if learner.reference.version == learner.version:
            references.publish(learner.reference)


def _wait_for_groups(
    pipe: Connection, learner: Learner, publisher: Publisher, patience: float | None
) -> tuple[TrainOn | None, float]:
    """The next groups, after whatever is to be saved before them, and the seconds waited; None to stop."""
    idle = 0.0
    while True:
        began = time.monotonic()
        # The supervisor decides how long a learner may wait for data; this bound is for a supervisor that hangs. It has
        # none where a bare callable scores there.
        message = receive_down(pipe, patience, "learner")
        idle += time.monotonic() - began
        if not isinstance(message, SaveInto):
            assert isinstance(message, TrainOn | End)
            return (message if isinstance(message, TrainOn) else None), idle
        publisher.wait()
        if message.what == "checkpoint":
            learner.save(Path(message.directory))
        else:
            save_model(learner.policy, Path(message.directory))
        send(pipe, Saved(message.what))


def evaluate(pipe: Connection, start: Build, run: Run) -> None:
    """Measure the newest weights whenever asked."""
    policy = make_policy(run)
    run = fitting(run, policy)
    check_prompts(run, policy)
    beginning = Weights.of(policy.weights(), 0)
    send(pipe, Built())
    if isinstance(receive_down(pipe, run.local.start_deadline, "evaluator"), End):
        return
    weights = SharedWeights.attach(start.weights)
    evaluation = make_evaluation(run, policy, beginning, None if start.scores else SupervisorReward(pipe))
    # Nobody owes the evaluator a request, so this wait ends with the supervisor, not with a deadline.
    while isinstance(receive_down(pipe, None, "evaluator"), EvaluateNewest):
        began = time.monotonic()
        row, samples = evaluation(weights.read())
        send(pipe, Evaluated(row, samples, busy=time.monotonic() - began))


ROLES = {"searcher": search, "learner": learn, "evaluator": evaluate}


def main(descriptor: int) -> int:
    """Serve one role; returns the exit code."""
    # Ctrl-C and a SIGTERM to the group reach everyone; the supervisor decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = Connection(descriptor)
    try:
        start = receive_down(pipe, 60.0, "worker")
        assert isinstance(start, Build)
        torch.set_num_threads(start.threads)
        if start.role != "learner":
            os.nice(_YIELDS)  # where cores are short, everybody waits for the learner in the end
        run: Run = decode(json.loads(start.run), Run, trusted=True)
        limit = min(run.local.search_deadline, run.local.deadline)
        with telling(pipe, patience_s=run.reward_timeout, deadline_s=limit):
            ROLES[start.role](pipe, start, run)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 1  # the supervisor is gone: there is nobody to tell
    except SteelyardError as error:
        _tell(pipe, Failed(str(error), (error.what, error.where, error.hint, error.exit_code)))
        return error.exit_code
    except Exception:  # noqa: BLE001  (not hidden: the supervisor counts it and shows it, or ends the run with it)
        traceback.print_exc()
        _tell(pipe, Failed(traceback.format_exc(), None))
        return 1
    return 0


def _tell(pipe: Connection, failed: Failed) -> None:
    """Send the last word; where another child failed first, the supervisor is gone and nobody is left to hear it."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        send(pipe, failed)
