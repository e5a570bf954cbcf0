"""A child process of a local run: `python -m steelyard.runtime.worker DESCRIPTOR`.

It is told its role and the run's settings over the pipe, builds its parts, and serves until it is told to stop or the
supervisor is gone. What goes wrong is sent to the supervisor, which owns the run.
"""

import json
import signal
import sys
import time
import traceback
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from steelyard.core import SteelyardError, Weights, decode, from_bytes, to_bytes
from steelyard.runtime.messages import (
    Assign,
    Down,
    Failed,
    Found,
    Groups,
    Measure,
    Measured,
    Ready,
    Saved,
    Searched,
    Start,
    Stepped,
    Stop,
    receive_down,
    send,
)
from steelyard.runtime.parts import check_prompts, make_learner, make_measure, make_policy, make_searcher, make_task
from steelyard.runtime.run import Run
from steelyard.runtime.shared import SharedWeights
from steelyard.searcher import Assignment


def search(pipe: Connection, start: Start, run: Run) -> None:
    """Draw what is assigned, with the newest weights, until told to stop."""
    task, policy = make_task(run), make_policy(run)
    prompts = task.prompts("train")
    send(pipe, Ready())
    receive_down(pipe, run.local.start_deadline, "searcher")  # Go: the first weights are published
    weights, references = SharedWeights.attach(start.weights), SharedWeights.attach(start.references)
    searcher = make_searcher(run, policy, prompts, task.score if start.scores else None, weights, references)
    waiting: deque[Down] = deque()
    while True:
        began = time.monotonic()
        if not waiting:
            waiting.append(receive_down(pipe, run.local.deadline, "searcher"))
        while pipe.poll(0):
            waiting.append(receive_down(pipe, 0.0, "searcher"))
        # A stop overtakes the batches assigned before it.
        if any(isinstance(message, Stop) for message in waiting):
            return
        message, got = waiting.popleft(), time.monotonic()
        assert isinstance(message, Assign)
        for found in searcher.search([Assignment(*item) for item in message.items]):
            send(pipe, Found([to_bytes(t) for t in found]))
        send(pipe, Searched(busy=time.monotonic() - got, idle=got - began))


def learn(pipe: Connection, start: Start, run: Run) -> None:
    """Step on what replay hands over; publish; save the model at the end."""
    learner = make_learner(run, make_policy(run))
    first = Weights.of(learner.policy.weights(), 0)
    weights = SharedWeights.create(start.weights, first)
    references = SharedWeights.create(start.references, first)
    send(pipe, Ready())
    receive_down(pipe, run.local.start_deadline, "learner")
    metrics, idle = None, 0.0
    while True:
        send(pipe, Stepped(learner.version, metrics, idle))
        began = time.monotonic()
        # The supervisor decides how long a learner may wait for data; this bound is for a supervisor that hangs.
        message = receive_down(pipe, 2 * run.local.deadline, "learner")
        if isinstance(message, Stop):
            if message.save is not None:
                learner.policy.save(Path(message.save))
                send(pipe, Saved())
            return
        assert isinstance(message, Groups)
        idle = time.monotonic() - began
        metrics = learner.step([[from_bytes(t) for t in group] for group in message.groups])
        if learner.version % run.weight_sync_steps == 0 or learner.version == run.max_steps:
            weights.publish(learner.policy.weights(), learner.version)
        if learner.reference.version == learner.version:
            references.publish(learner.reference.data, learner.version)


def measure(pipe: Connection, start: Start, run: Run) -> None:
    """Measure the newest weights whenever asked."""
    policy = make_policy(run)
    check_prompts(run, policy)
    send(pipe, Ready())
    receive_down(pipe, run.local.start_deadline, "evaluator")
    weights = SharedWeights.attach(start.weights)
    evaluation = make_measure(run, policy, SharedWeights.attach(start.references).read())
    # Nobody owes the evaluator a request, so this wait ends with the supervisor, not with a deadline.
    while isinstance(receive_down(pipe, None, "evaluator"), Measure):
        send(pipe, Measured(*evaluation(weights.read())))


ROLES = {"searcher": search, "learner": learn, "evaluator": measure}


def main(descriptor: int) -> int:
    """Serve one role; returns the exit code."""
    # Ctrl-C goes to the whole process group; the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = Connection(descriptor)
    try:
        start = receive_down(pipe, 60.0, "worker")
        assert isinstance(start, Start)
        torch.set_num_threads(start.threads)
        ROLES[start.role](pipe, start, decode(json.loads(start.run), Run))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 1  # the supervisor is gone: there is nobody to tell
    except SteelyardError as error:
        send(pipe, Failed(str(error), (error.what, error.where, error.mend)))
        return 2
    except Exception:  # noqa: BLE001  (not hidden: the supervisor ends the run with it)
        send(pipe, Failed(traceback.format_exc(), None))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
