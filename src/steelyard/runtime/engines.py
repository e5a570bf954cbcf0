"""The engine that a run's searchers generate with, and whether it can be had: asked before the run begins."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path

from steelyard.core import Engine, SteelyardError, require
from steelyard.core.waiting import waiting
from steelyard.policy import Policy
from steelyard.policy.meta_model import local_directory
from steelyard.rollout import engine_for
from steelyard.rollout.vllm_check import check_server, check_version, look_at
from steelyard.rollout.vllm_client import VllmClient
from steelyard.rollout.vllm_http import VllmEngine
from steelyard.rollout.vllm_server import Command, VllmServer, found_version
from steelyard.rollout.vllm_trial import try_weights
from steelyard.runtime.run import Run
from steelyard.task.loaded import load_callable

FLAG = "--engine"
LOOK_S = 8.0
"""Seconds in which a server or an environment must answer before a run begins."""


def searching_engine(run: Run, policy: Policy) -> Engine:
    """The engine of one searcher.

    Raises:
        SteelyardError: the policy has none of the kind, or a server does not start or is of the wrong kind.
        ServerLostError: a server that was there when the run began is not any more.
    """
    if run.engine == "own":
        head = run.search.head == "int8"
        return engine_for(policy, run.seed, in_flight=run.in_flight, rule=run.decode, int8_head=head)
    if ":" in run.engine:
        engine = _maker(run.engine)(policy, run.seed)
        require(isinstance(engine, Engine), f"{run.engine} is no engine", where=FLAG, hint="give it load and generate")
        return engine
    server = None if run.vllm.python is None else _started(run, policy)
    client = VllmClient(str(run.vllm.url), run.vllm.deadline) if server is None else server.client
    with waiting("looking at a vLLM server", ends=True):
        context = look_at(client, _model(run), _adapter_rank(run))
    adapters = _adapter_rank(run) > 0
    engine = VllmEngine(policy, run.seed, client, context=context, adapters=adapters, keeps=server)
    try_weights(engine)
    return engine


def check_engine(run: Run) -> None:
    """See that an engine of the user's can be loaded, and that there is a server, or one can be started, where vLLM is.

    Raises:
        SteelyardError: there is not, or it cannot.
    """
    if ":" in run.engine:
        _maker(run.engine)
    if run.vllm.url is not None:
        check_server(VllmClient(run.vllm.url, LOOK_S), _model(run), LOOK_S, _adapter_rank(run))
    if run.vllm.python is not None:
        check_version(found_version(run.vllm.python, LOOK_S), where="--vllm.python")


def _maker(named: str) -> Callable[..., Engine]:
    """The class or function that makes an engine of the user's of a policy and a seed."""
    found = load_callable(named, FLAG)
    try:
        inspect.signature(found).bind(None, 0)
    except (TypeError, ValueError) as error:
        what = f"{named} is not made with a policy and a seed ({error})"
        raise SteelyardError(what, where=FLAG, hint="declare it as Engine(policy, seed)") from error
    return found


def _model(run: Run) -> str:
    """The model's directory; its hub id where it is not on this machine yet."""
    return local_directory(run.model) or run.model


def _adapter_rank(run: Run) -> int:
    """The rank of the adapters that are sent alone; 0 where all weights are sent."""
    return run.lora_rank if run.vllm.lora == "adapter" else 0


def _started(run: Run, policy: Policy) -> VllmServer:
    """A server of this process."""
    assert run.vllm.python is not None
    place = local_directory(run.model)
    assert place is not None  # the policy was read from there
    command = Command(
        run.vllm.python,
        Path(place),
        run.dtype,
        policy.context_length,
        run.local.threads,
        run.vllm.arguments,
        _adapter_rank(run),
    )
    log = Path(run.vllm.log or "runs/vllm") / f"{os.getpid()}.log"
    server = VllmServer(command, log, run.vllm.deadline)
    server.wait(run.vllm.start_deadline)
    return server
