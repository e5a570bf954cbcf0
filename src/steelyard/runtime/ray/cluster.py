"""The Ray cluster of a run: found, joined or started, and asked whether it has room.

A Ray that is started here listens on loopback alone, asks everybody for a token of its own, has no dashboard and sends
no usage statistics. A cluster that others have started is as they have made it.
"""

import importlib.util
import logging
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.runtime.coordinator.workers import Role
from steelyard.runtime.run import RayCluster, Run

_CONNECT_S = 2.0
_ANSWER_S = 6.5
"""Seconds that the head of a cluster may take to say what it is."""
_FREE_S = 4.0
"""Seconds that what an earlier run held may take to become free."""
_SHARE = 0.001
"""Of a resource of the cluster's own, asked for by who must be where it is."""
_NEEDED: tuple[Role, ...] = ("learner", "evaluator", "searcher")
_LESS = "ask for less, such as --ray.searcher-cpus 0.5, or add machines to the cluster"


@dataclass(frozen=True)
class Place:
    """What one process asks of the cluster."""

    role: Role
    cpus: float
    gpus: float
    resource: str | None

    @classmethod
    def of(cls, settings: RayCluster, role: Role) -> "Place":
        """What the settings say."""
        cpus, gpus, resource = (getattr(settings, f"{role}_{kind}") for kind in ("cpus", "gpus", "resource"))
        return cls(role, cpus, gpus, resource)

    @property
    def here(self) -> bool:
        """It must be on the driver's machine: the learner writes the run's files."""
        return self.role == "learner" and self.resource is None

    @property
    def asked(self) -> dict[str, float]:
        """Resource -> amount."""
        own = {} if self.resource is None else {self.resource: _SHARE}
        return {"CPU": self.cpus, "GPU": self.gpus, **own}

    def options(self, node: str) -> dict[str, Any]:
        """The options of its actor; `node` is the driver's."""
        found: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        if self.resource is not None:
            found["resources"] = {self.resource: _SHARE}
        if self.here:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            found["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
        return found


def check_cluster(run: Run) -> None:
    """See that a run with --runtime ray finds Ray, and its cluster; of other runs there is nothing to check.

    Raises:
        SteelyardError: Ray is not installed, or nothing at the address is the head of a cluster.
    """
    if run.runtime != "ray":
        return
    load(run.ray)
    if run.ray.address is not None:
        _reach(run.ray.address)


def load(settings: RayCluster) -> Any:
    """The package `ray`.

    It reads its settings when it is imported. So where a cluster is to start here, this process and its children get in
    their environment before: a token for it, and a switch, named after other systems, that keeps it on loopback. A node
    address alone does not: `ray.init` replaces a loopback address by the machine's own.

    Raises:
        SteelyardError: it is not installed.
    """
    found = importlib.util.find_spec("ray")
    installed = found is not None and found.origin is not None  # a folder of that name is a package without an origin
    hint = "pip install 'steelyard[ray]', or take --runtime local"
    require(installed, "needs the package ray, which is not installed", where="--runtime ray", hint=hint)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if settings.address is None and "ray" not in sys.modules:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    return ray


@contextmanager
def connected(run: Run) -> Iterator[Any]:
    """The package `ray`, in the run's cluster; what was started here ends afterwards.

    A program that has called `ray.init` itself stays where it is.

    Raises:
        SteelyardError: there is no such cluster, or it has no room for a learner, an evaluator and a searcher.
    """
    ray = load(run.ray)
    if ray.is_initialized():
        check_room(ray, run)
        yield ray
        return
    try:
        _join(ray, run)
        check_room(ray, run)
        yield ray
    finally:
        ray.shutdown()


def check_room(ray: Any, run: Run) -> None:
    """See that the cluster has room for a learner, an evaluator and one searcher; other searchers may join later.

    Raises:
        SteelyardError: it has not.
    """
    places = [Place.of(run.ray, role) for role in _NEEDED]
    here = ray.get_runtime_context().get_node_id()
    nodes = [node for node in ray.nodes() if node["Alive"]]
    for place in places:
        some = [node["Resources"] for node in nodes if node["NodeID"] == here or not place.here]
        _require_one(place, some)
    until = time.monotonic() + _FREE_S
    while (what := _lacks(places, ray.available_resources(), ray.cluster_resources())) and time.monotonic() < until:
        time.sleep(0.1)
    require(not what, what, where="--runtime ray", hint=_LESS)


def _require_one(place: Place, nodes: Sequence[dict[str, float]]) -> None:
    """One of the machines is large enough for a process alone."""
    fits = any(all(node.get(name, 0.0) >= amount for name, amount in place.asked.items()) for node in nodes)
    asked = " and ".join(f"{amount:g} {name}" for name, amount in place.asked.items() if amount)
    has = "this machine has not" if place.here else "no machine of the cluster has"
    require(fits, f"the {place.role} asks for {asked}, which {has}", where="--runtime ray", hint=_LESS)


def _lacks(places: Sequence[Place], free: dict[str, float], total: dict[str, float]) -> str:
    """What is missing for all of these together; empty where nothing is."""
    for name in ("CPU", "GPU"):
        needed = sum(place.asked[name] for place in places)
        there = free.get(name, 0.0)
        if there < needed - 1e-6:
            return (
                f"learner, evaluator and one searcher ask for {needed:g} {name}, and {there:g} of "
                f"{total.get(name, 0.0):g} are free"
            )
    return ""


def _join(ray: Any, run: Run) -> None:
    """Join the cluster at the address, or start one of this machine alone.

    Raises:
        SteelyardError: Ray does not.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    where = {"address": run.ray.address}
    if run.ray.address is None:
        searchers = run.num_searchers * run.ray.searcher_cpus
        cpus = max(1, math.ceil(searchers + run.ray.learner_cpus + run.ray.evaluator_cpus))
        where = {"address": "local", "num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    before = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tips for users of Ray itself
            ray.init(**where, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        said = first_line(error) or type(error).__name__
        hint = "run this on a machine of the cluster, with its version of Ray and Python, and its token if it has one"
        place = "no Ray could be started here" if run.ray.address is None else f"{run.ray.address} cannot be joined"
        raise SteelyardError(f"{place} ({said})", where="--runtime ray", hint=hint) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has taken it


def _reach(address: str) -> None:
    """See that the head of a Ray cluster answers at the address.

    A client of Ray's own waits for long, and may end its process. So another process asks.

    Raises:
        SteelyardError: it does not.
    """
    hint = "give the address that ray start --head printed, and see that the cluster is up"
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        what = f"{address} cannot be reached ({error.strerror or error})"
        raise SteelyardError(what, where="--ray.address", hint=hint) from error
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_S, check=False)
    except subprocess.TimeoutExpired as error:
        what = f"{address} does not answer as the head of a Ray cluster within {_ANSWER_S:g} s"
        raise SteelyardError(what, where="--ray.address", hint=hint) from error
    said = done.stderr.decode(errors="replace").strip().splitlines()
    what = f"{address} is no healthy Ray cluster for this one ({said[-1] if said else 'it did not say why'})"
    require(done.returncode == 0, what, where="--ray.address", hint=hint)
