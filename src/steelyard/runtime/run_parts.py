"""The parts of a run's settings: where parts compute, clocks and processes, restarts, and held-out evaluation."""

import re
from dataclasses import dataclass, field
from typing import Literal

from steelyard.core import NonNegative, NonNegativeInt, Positive, PositiveInt, PositiveOrInf, checked, require
from steelyard.policy.device import Device
from steelyard.runtime.inline.faults import Faults

_ADDRESS = re.compile(r"[^\s:/]+:([1-9][0-9]{0,4})")
_NOT_OWN = ("", "CPU", "GPU", "memory", "object_store_memory")
"""Names that are no resource of a cluster's own."""


@checked("learner")
@dataclass(frozen=True)
class LearnerPart:
    """Where the learner computes, and what it keeps for that."""

    device: Device | None = None
    """The learner's device; None for that of --device."""
    devices: PositiveInt = 1
    """Devices that the learner computes on, each with a shard of weights, gradients and Adam's memory (FSDP2): the
    first so many GPUs, or as many processes on the processor. Tested on processors alone."""
    gradient_checkpointing: bool = False
    """Keep each layer's input alone and compute the layer again for its gradient: less memory, a third more work."""


@checked("search")
@dataclass(frozen=True)
class SearchPart:
    """Where searchers compute, and in which numbers."""

    device: Device | None = None
    """The searchers' device, shared by all of them; None for that of --device."""
    head: Literal["own", "int8"] = "own"
    """Numbers of the searchers' head: the model's own, or int8, which a processor reads faster.

    What int8 costs is in search/logp_mismatch; with a large vocabulary it may need a wider --max-logp-mismatch.
    """


@checked("inline")
@dataclass(frozen=True)
class VirtualClock:
    """The inline runtime's clock: what things cost in virtual seconds, and how late weights arrive."""

    search_cost: Positive = 1.0
    """Virtual seconds of one searcher batch."""
    learn_cost: NonNegative = 1.0
    """Virtual seconds of one learner step; 0 is one step per delivery, before the searcher goes on (synchronous)."""
    publication_lag: NonNegativeInt = 0
    """Weights become visible to searchers this many publications after they were made."""
    threads: PositiveInt = 1
    """Compute threads; runs repeat bit for bit only at the same number."""
    deadline: PositiveOrInf = 1000.0
    """Virtual seconds that the learner may wait for a batch before the run stops and says why."""
    search_deadline: PositiveOrInf = 60.0
    """Virtual seconds after which a searcher that an injected fault has silenced is killed and started again."""
    faults: Faults = field(default_factory=Faults)
    """Faults to inject."""


@checked("local")
@dataclass(frozen=True)
class Processes:
    """The processes of the local runtime, and those of Ray."""

    threads: PositiveInt = 1
    """Compute threads of each process."""
    weights: Literal["host", "device"] = "host"
    """How weights reach searchers: host, through the processor's memory. device, through memory of the GPU that they
    share with the learner: sooner, for two more copies of the weights there for the learner and for each searcher. Only
    --runtime local has it, and it has not run on a GPU yet."""
    start_deadline: PositiveOrInf = 180.0
    """Seconds that a process may take to load its model."""
    deadline: PositiveOrInf = 120.0
    """Seconds that any process may wait for another before the run stops and says who waited for whom."""
    search_deadline: PositiveOrInf = 60.0
    """Seconds without a word after which a searcher that has work is killed and started again."""


@checked("ray")
@dataclass(frozen=True)
class RayCluster:
    """The Ray cluster that a run takes place on, and what of it each process asks for."""

    address: str | None = None
    """HOST:PORT of the cluster's head; None starts a Ray on this machine for this run alone."""
    learner_cpus: NonNegative = 1.0
    """CPUs of the learner."""
    learner_gpus: NonNegative = 0.0
    """GPUs of the learner; without any it sees none."""
    learner_resource: str | None = None
    """Resource of the cluster's own that the learner's machine has. None puts the learner on this machine; on another
    one the run directory must be on a disk that both share."""
    searcher_cpus: NonNegative = 1.0
    """CPUs of each searcher."""
    searcher_gpus: NonNegative = 0.0
    """GPUs of each searcher."""
    searcher_resource: str | None = None
    """Resource of the cluster's own that a searcher's machine has."""
    evaluator_cpus: NonNegative = 0.0
    """CPUs of the evaluator."""
    evaluator_gpus: NonNegative = 0.0
    """GPUs of the evaluator."""
    evaluator_resource: str | None = None
    """Resource of the cluster's own that the evaluator's machine has."""

    def __post_init__(self) -> None:
        hint = "write HOST:PORT, such as 10.0.0.1:6379, and run this on a machine of that cluster"
        found = None if self.address is None else _ADDRESS.fullmatch(self.address)
        fits = self.address is None or (found is not None and int(found[1]) < 2**16)
        require(fits, f"is {self.address!r}", where="--ray.address", hint=hint)
        for role in ("learner", "searcher", "evaluator"):
            self._check_share(f"{role}_cpus")
            self._check_share(f"{role}_gpus")
            name = getattr(self, f"{role}_resource")
            hint = "name a resource of the cluster's own, as ray start --resources gave it"
            require(name not in _NOT_OWN, f"is {name!r}", where=f"--ray.{role}-resource", hint=hint)

    def _check_share(self, name: str) -> None:
        amount = getattr(self, name)
        flag = f"--ray.{name.replace('_', '-')}"
        hint = "use a share of 1, or a whole number"
        require(amount <= 1 or amount == int(amount), f"is {amount}", where=flag, hint=hint)


@checked("vllm")
@dataclass(frozen=True)
class VllmPart:
    """The vLLM server of --engine vllm: one that is there, or one that each searcher starts for itself."""

    url: str | None = None
    """Address of a server on this machine, http://127.0.0.1:8000 or unix:/path/of/socket, that no other run uses."""
    python: str | None = None
    """Interpreter of an environment with vLLM: each searcher starts a server of its own with it."""
    arguments: str = ""
    """Further arguments of a server that is started, such as '--enforce-eager' or '--gpu-memory-utilization 0.4'."""
    lora: Literal["adapter", "merged"] = "adapter"
    """What a run with --lora-rank sends for each version. adapter: the adapters alone. merged: the whole model with the
    adapters in it, to a server or for a model with which vLLM takes no adapters."""
    deadline: Positive = 120.0
    """Seconds that a server may take for one completion, or for new weights."""
    start_deadline: Positive = 180.0
    """Seconds that a server may take to start; the other processes wait for twice --local.deadline at most."""
    log: str | None = None
    """Directory of the servers' logs; None for RUN/vllm."""

    def __post_init__(self) -> None:
        hint = "give an address, or an interpreter with which servers are started"
        require(
            self.url is None or self.python is None, "is given, and so is --vllm.url", where="--vllm.python", hint=hint
        )


@checked("restarts")
@dataclass(frozen=True)
class Restarts:
    """Searchers and evaluator that die or hang are started again, but not for ever."""

    limit: NonNegativeInt = 5
    """Failures within the window that a run survives; one more ends it."""
    window: PositiveOrInf = 300.0
    """Seconds (inline: virtual) that a failure counts."""
    backoff: Positive = 0.5
    """Seconds before the first restart of a process; doubled with each further failure of it within the window."""
    longest_backoff: PositiveOrInf = 30.0
    """Most seconds before a restart."""


@checked("evaluation")
@dataclass(frozen=True)
class HeldOut:
    """What is measured on held-out prompts beside training."""

    every: PositiveInt = 20
    """Learner steps between evaluations; the first and the last weights are always evaluated."""
    prompts: PositiveInt = 256
    """Held-out prompts for greedy accuracy."""
    sampled_prompts: PositiveInt = 64
    """Held-out prompts that are sampled at the training temperature."""
    samples: PositiveInt = 8
    """Samples of each of those: pass@k, distinct answers, styles."""
    device: Device | None = None
    """The evaluator's device; None for that of --device. Inline, the searcher's policy is what is evaluated."""
