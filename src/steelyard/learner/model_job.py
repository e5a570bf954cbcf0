"""Settings of a job that trains a language model on given data: the model, and how it is trained."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from steelyard.core import NonNegativeInt, Positive, PositiveInt, ShareBelowOne, checked, require
from steelyard.core.job import JobSettings
from steelyard.core.json import JsonObject
from steelyard.learner.learner import Learner
from steelyard.learner.memory import learner_bytes
from steelyard.learner.optimizer import Adam
from steelyard.objective import Objective
from steelyard.policy import LoRA, Policy
from steelyard.policy.device import AUTO, Device, check_device, device_of, free_bytes, repeat_exactly
from steelyard.policy.meta_model import local_directory, meta_policy, told_of
from steelyard.policy.text import read_options

_HINT = "name a directory, a shipped model or a hub id"


@checked()
@dataclass(frozen=True)
class ModelJob(JobSettings):
    """What all jobs on a language model have in common."""

    model: str = ""
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    lora_rank: NonNegativeInt = 0
    """Train low-rank adapters of this rank instead of all weights; 0 trains all."""
    lora_alpha: Positive = 16.0
    """The adapters' update is scaled by lora_alpha / lora_rank."""
    lora_dropout: ShareBelowOne = 0.0
    """Share of the adapters' inputs dropped in a learner step; searchers and evaluation drop none."""
    lora_targets: str = "all-linear"
    """Layers that get adapters: all-linear, or name endings separated by commas."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights that compute; the learner updates float32 copies of bfloat16 ones."""
    device: Device = AUTO
    """Where the model computes: cpu, cuda (the first GPU), cuda:1, ...; auto takes a GPU where there is one and the
    model has 20 million parameters or more."""
    chat_template_kwargs: str = "{}"
    """Arguments of the model's chat template, as JSON: '{"enable_thinking": false}'."""
    micro_tokens: PositiveInt = 16384
    """Tokens in one forward pass of the learner: shared prompts once and no padding, or padded for other models."""
    optimizer: Adam = field(default_factory=Adam)
    """Adam, clipping and the learning-rate schedule."""

    def __post_init__(self) -> None:
        read_options(self.chat_template_kwargs)

    @property
    def lora(self) -> LoRA | None:
        """The adapters' settings, or None where all weights are trained."""
        return LoRA.of(self.lora_rank, self.lora_alpha, self.lora_dropout, self.lora_targets)

    def trained(self, model: Path) -> "ModelJob":
        """The same job on what it wrote; adapters are already merged into it."""
        return replace(self, model=str(model), lora_rank=0)

    def policy(self) -> Policy:
        """The model, as it stands before training.

        Raises:
            SteelyardError: there is none of that name, or it cannot be trained; or there is no such GPU.
        """
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        return self.prepared(Policy.load(self.model, lora=self.lora, dtype=self.dtype, seed=self.seed))

    def prepared(self, policy: Policy) -> Policy:
        """A loaded policy with the chat template's arguments, on its device; a job on a GPU repeats bit for bit."""
        policy.chat_options = read_options(self.chat_template_kwargs)
        policy.placed(self.device)
        if policy.device.type == "cuda":
            repeat_exactly()
        return policy

    def planned_policy(self) -> Policy | None:
        """The model without its weights; None where it is not on this machine.

        Raises:
            SteelyardError: as for `policy`, as far as that can be known without weights.
        """
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        place = local_directory(self.model)
        if place is None:
            return None
        policy = meta_policy(place, lora=self.lora, dtype=self.dtype)
        policy.chat_options = read_options(self.chat_template_kwargs)
        return policy

    def learner(self, policy: Policy, objective: Objective) -> Learner:
        """The learner before its first step."""
        return Learner(
            policy,
            objective,
            self.optimizer,
            learning_rate=self.learning_rate,
            micro_tokens=self.micro_tokens,
        )

    def planned_model(self, policy: Policy | None) -> JsonObject:
        """What a plan says of the model, and how much memory it takes without activations (bytes)."""
        if policy is None:
            return told_of(self.model, here=False)
        sizes = {"parameters": policy.num_parameters(trainable=False), "trained": policy.num_parameters()}
        kind = {"type": policy.model.config.model_type, "dtype": self.dtype}
        device = device_of(self.device, policy.num_parameters(trainable=False))
        free = free_bytes(device)
        where = {"device": str(device)} | ({} if free is None else {"free_bytes": free})
        return {"model": self.model, **kind, **sizes, "bytes": sum(learner_bytes(policy).values()), **where}
