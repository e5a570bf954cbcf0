"""What a process of a run does, from its first message on: build its part, and serve until it is told to end.

What goes wrong is sent to the driver, which owns the run.
"""

import contextlib
import json
import os
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from steelyard.core import SteelyardError, Weights, decode, from_bytes, to_bytes
from steelyard.learner import Learner
from steelyard.policy import Policy
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
from steelyard.runtime.roles.channel import Channel
from steelyard.runtime.roles.driver_reward import DriverReward
from steelyard.runtime.roles.heartbeat import telling
from steelyard.runtime.roles.messages import (
    Build,
    Built,
    Down,
    Draw,
    Drawn,
    End,
    Evaluated,
    EvaluateVersion,
    Failed,
    FoundBytes,
    Published,
    Saved,
    SaveInto,
    Stepped,
    TrainOn,
)
from steelyard.runtime.roles.ports import Ports
from steelyard.runtime.roles.publisher import Publisher
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment

_FIRST_WORD_S = 60.0
YIELDS = 5
"""By how much searchers and evaluator are nicer than the learner."""


def search(channel: Channel, start: Build, run: Run, ports: Ports) -> None:
    """Draw what is assigned, with the newest weights, until told to stop."""
    policy = make_policy(run, "search")
    run = fitting(run, policy)
    task = make_task(run)
    prompts = task.prompts("train")
    channel.send(Built())
    if isinstance(channel.receive(run.local.start_deadline, "searcher"), End):
        return
    weights, references = ports.attach(_common_device(run, policy))
    searcher = make_searcher(run, policy, prompts, task.score if start.scores else None, weights, references)
    # Where a bare callable scores, the driver answers nobody meanwhile, for as long as the callable takes.
    patience = run.local.deadline if start.scores else None
    waiting: deque[Down] = deque()
    while True:
        began = time.monotonic()
        if not waiting:
            waiting.append(channel.receive(patience, "searcher"))
        while channel.pending():
            waiting.append(channel.receive(0.0, "searcher"))
        # A stop overtakes the batches assigned before it.
        if any(isinstance(message, End) for message in waiting):
            return
        message = waiting.popleft()
        got = time.monotonic()
        assert isinstance(message, Draw)
        if message.temperature is not None:
            searcher.sampling = replace(searcher.sampling, temperature=message.temperature)
        for found in searcher.search([Assignment(*item) for item in message.items]):
            channel.send(FoundBytes([to_bytes(t) for t in found]))
        gauge = searcher.logp_mismatch
        gap = None if gauge is None else (gauge.mean, gauge.max)
        channel.send(Drawn(busy=time.monotonic() - got, idle=got - began, gap=gap))


def learn(channel: Channel, start: Build, run: Run, ports: Ports) -> None:
    """Step on what replay hands over; publish; save what is asked for."""
    policy = make_policy(run, "learner")
    learner = make_learner(fitting(run, policy), policy)
    if start.checkpoint is not None:
        learner.restore(Path(start.checkpoint), version=start.version)
    learner.version = start.version
    first = Weights.of(learner.policy.weights(), start.version)
    channel.send(Published(first.version, first.digest))
    weights, references = ports.create(first, learner.reference, _common_device(run, learner.policy))
    channel.send(Built())
    if isinstance(channel.receive(run.local.start_deadline, "learner"), End):
        return
    patience = 2 * run.local.deadline if start.scores else None
    publisher = Publisher(weights, learner.policy, lambda *named: channel.send(Published(*named)), run.local.deadline)
    metrics = None
    idle = 0.0
    while True:
        if learner.steps >= run.max_steps:
            publisher.wait()  # the evaluator is asked for the last weights
        channel.send(Stepped(learner.steps, learner.version, metrics, idle))
        groups, idle = _wait_for_groups(channel, learner, publisher, patience)
        if groups is None:
            return
        metrics = learner.step([[from_bytes(t) for t in group] for group in groups.groups])
        if groups.publish:
            publisher.publish(learner.version)
        if learner.reference.version == learner.version:
            references.publish(learner.reference)


def _wait_for_groups(
    channel: Channel, learner: Learner, publisher: Publisher, patience: float | None
) -> tuple[TrainOn | None, float]:
    """The next groups, after whatever is to be saved before them, and the seconds waited; None to stop."""
    idle = 0.0
    while True:
        began = time.monotonic()
        # The driver decides how long a learner may wait for data; this bound is for a driver that hangs. It has none
        # where a bare callable scores there.
        message = channel.receive(patience, "learner")
        idle += time.monotonic() - began
        if not isinstance(message, SaveInto):
            assert isinstance(message, TrainOn | End)
            return (message if isinstance(message, TrainOn) else None), idle
        publisher.wait()
        if message.what == "checkpoint":
            learner.save(Path(message.directory))
        else:
            save_model(learner.policy, Path(message.directory))
        channel.send(Saved(message.what))


def evaluate(channel: Channel, start: Build, run: Run, ports: Ports) -> None:
    """Measure weights whenever asked: the run's first ones, which it has itself, and otherwise the newest."""
    policy = make_policy(run)
    run = fitting(run, policy)
    check_prompts(run, policy)
    # The learner begins with these weights, too, and may be far beyond them when the first evaluation is asked for.
    beginning = Weights.of(policy.weights(), start.version if start.checkpoint is None else 0)
    channel.send(Built())
    if isinstance(channel.receive(run.local.start_deadline, "evaluator"), End):
        return
    weights, _ = ports.attach()
    evaluation = make_evaluation(run, policy, beginning, None if start.scores else DriverReward(channel))
    # Nobody owes the evaluator a request, so this wait ends with the driver, not with a deadline.
    while isinstance(asked := channel.receive(None, "evaluator"), EvaluateVersion):
        began = time.monotonic()
        row, samples = evaluation(beginning if asked.version == beginning.version else weights.read())
        channel.send(Evaluated(row, samples, busy=time.monotonic() - began))


def _common_device(run: Run, policy: Policy) -> torch.device | None:
    """Where learner and searchers compute, if weights go through its memory."""
    return policy.device if run.local.weights == "device" else None


ROLES: dict[str, Callable[[Channel, Build, Run, Ports], None]] = {
    "searcher": search,
    "learner": learn,
    "evaluator": evaluate,
}


def serve(channel: Channel, ports: Ports) -> int:
    """Serve the role that the first message names; returns the exit code."""
    try:
        start = channel.receive(_FIRST_WORD_S, "worker")
        assert isinstance(start, Build)
        torch.set_num_threads(start.threads)
        if start.role != "learner":
            os.nice(YIELDS)  # where cores are short, everybody waits for the learner in the end
        run: Run = decode(json.loads(start.run), Run, trusted=True)
        limit = min(run.local.search_deadline, run.local.deadline)
        with telling(channel, patience_s=run.reward_timeout, deadline_s=limit):
            ROLES[start.role](channel, start, run, ports)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 1  # the driver is gone: there is nobody to tell
    except SteelyardError as error:
        _tell(channel, Failed(str(error), (error.what, error.where, error.hint, error.exit_code)))
        return error.exit_code
    except Exception:  # noqa: BLE001  (not hidden: the driver counts it and shows it, or ends the run with it)
        traceback.print_exc()
        _tell(channel, Failed(traceback.format_exc(), None))
        return 1
    return 0


def _tell(channel: Channel, failed: Failed) -> None:
    """Send the last word; where another process failed first, the driver is gone and nobody is left to hear it."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.send(failed)
