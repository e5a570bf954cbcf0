"""A learner on several devices: weights, gradients and Adam's memory in shards, by FSDP2. A process for each device.

    rank r computes groups r, r + n, r + 2n, ... of every micro-batch
    gradient of a shard = sum over the ranks;  norm^2 = sum over all shards;  AdamW on the shard

n processes. Rank 0 is the process that the run talks to. It keeps the whole weights besides its shard: after each step
they are gathered there, to be published, saved and compared as those of a learner on one device. So a checkpoint is
the same file whatever number of devices wrote it, and any number goes on from it. The numbers are those of one device
but for the order of sums.
Not sharded, and refused: heads of the objective's own (a learned log Z, a value), adapters and interventions.
Source: Zhao et al. 2023, arXiv:2304.11277; torch.distributed.fsdp.fully_shard.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import UInt8
from torch import Tensor, nn

from steelyard.core import Group, Loss, SteelyardError, from_bytes, needs_of, require, scheduled, to_bytes
from steelyard.core.json import JsonObject
from steelyard.learner import saved
from steelyard.learner.collate import collate
from steelyard.learner.effective_sample_size import log_ratios
from steelyard.learner.learner import Learner, _check_fields, _means
from steelyard.learner.optimizer import ADAM
from steelyard.objective import Objective, StatefulObjective
from steelyard.policy import Policy
from steelyard.policy.gradient_checkpointing import layers_of
from steelyard.policy.logp import StepLogp


class Backward(msgspec.Struct, tag=True):
    """To every rank: add the gradient of a micro-batch, of which each takes its groups."""

    steps: int
    state: bytes
    groups: list[list[bytes]]


class Update(msgspec.Struct, tag=True):
    """To every rank: divide by the weight, clip and step; not where the loss is not finite."""

    rate: float
    weight: float
    finite: bool


class Give(msgspec.Struct, tag=True):
    """To every rank: help to gather weights, or with `key` a part of Adam's memory."""

    key: str | None


class Take(msgspec.Struct, tag=True):
    """To every rank: take your shards of rank 0's weights and of Adam's memory of these parameters."""

    remembered: list[str]


class Leave(msgspec.Struct, tag=True):
    """To every other rank: end."""


class _Share(msgspec.Struct):
    """What a rank found of a micro-batch."""

    value: float
    weight: float
    metrics: dict[str, float]
    stats: dict[str, float]
    log_ratios: list[float]


_ORDERS = msgspec.msgpack.Decoder(Backward | Update | Give | Take | Leave)


Given = Callable[[str, str | None], Tensor]
"""(name, key of Adam's memory or None for the weights) -> the whole tensor: what rank 0 holds."""


class _Steps(nn.Module):
    """A policy's `step_logp` as a module's forward: FSDP gathers weights before it and scatters gradients after it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.model = policy.model
        self._step_logp = policy.step_logp

    def forward(self, rows: tuple[Tensor, Tensor, Tensor], read: dict[str, Any]) -> tuple[Tensor | None, ...]:
        """The fields of a `StepLogp`."""
        found = self._step_logp(*rows, **read)
        fields = (found.logp_NT, found.entropy_NT, found.prompt_ND, found.hidden_MD, found.others_NT)
        return tuple(x.clone() if x is not None and x._is_view() else x for x in fields)  # FSDP takes no views


class ShardedPolicy(Policy):
    """A policy of which this process holds a shard: what a learner asks of it, and no more.

    Args:
        policy: whole, and this object's from now on.
    """

    def __init__(self, policy: Policy) -> None:
        from torch.distributed.fsdp import FSDPModule, fully_shard

        vars(self).update(vars(policy))
        self.shapes = {name: p.shape for name, p in policy.trainable().items()}
        """Of whole parameters."""
        for layer in layers_of(policy.model):
            fully_shard(layer)
        self._steps: Any = fully_shard(_Steps(policy))
        for module in self._steps.modules():
            if isinstance(module, FSDPModule):
                module.set_gradient_divide_factor(1.0)  # sums: what a mean is taken over, the learner knows
                module.set_force_sum_reduction_for_comms(True)  # gloo has no other
        self._pieces: dict[str, Any] = dict(sorted(policy.model.named_parameters()))
        self._own = {name: nn.Parameter(p.detach().to_local()) for name, p in self._pieces.items()}

    def trainable(self) -> dict[str, nn.Parameter]:
        """Name -> this process's shard; it may be empty."""
        return dict(self._own)

    def weights(self, into: UInt8[np.ndarray, "B"] | None = None) -> UInt8[np.ndarray, "B"]:
        """No bytes: nobody asks a shard for the whole."""
        assert into is None
        return np.empty(0, np.uint8)

    def step_logp(self, tokens_NT: Tensor, attend_NT: Tensor, action_NT: Tensor, **read: Any) -> StepLogp:
        """As `Policy.step_logp`. All ranks have to call it, and then take a gradient."""
        logp, entropy, prompt, hidden, others = self._steps((tokens_NT, attend_NT, action_NT), read)
        return StepLogp(logp_NT=logp, entropy_NT=entropy, prompt_ND=prompt, hidden_MD=hidden, others_NT=others)

    @torch.no_grad()
    def gather_gradients(self) -> None:
        """Add what the last backward pass has left to the shards' own gradients."""
        for name, piece in self._pieces.items():
            if piece.grad is not None:
                own = self._own[name]
                found = piece.grad.to_local()
                own.grad = found.clone() if own.grad is None else own.grad.add_(found)
                piece.grad = None


class Shard(Learner):
    """The part of a learner in one process; see `Learner` for its arguments. All ranks do the same at the same time."""

    def __init__(self, policy: Policy, *given: Any, **settings: Any) -> None:
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self._sharded = ShardedPolicy(policy)
        super().__init__(self._sharded, *given, **settings)
        self.shapes = {f"policy.{name}": shape for name, shape in self._sharded.shapes.items()}

    def add_gradient(self, order: Backward) -> _Share:
        """Add the gradient of this rank's groups of a micro-batch."""
        groups = [[from_bytes(t) for t in group] for group in order.groups]
        own = groups[self.rank :: self.ranks]
        idle = not own  # it computes all the same, since it is asked for its shards meanwhile
        if isinstance(self.objective, StatefulObjective):
            self.state = msgspec.json.decode(order.state, type=type(self.state))
        objective = scheduled(self.objective, self.schedules, order.steps)
        needs = needs_of(objective)
        batch = self._evaluate(collate(own or groups[:1], needs.collated), needs)
        _check_fields(batch, needs, objective)
        loss = objective(batch, self.state) if isinstance(objective, StatefulObjective) else objective(batch)
        weight = 0.0 if idle else float(loss.weight)
        (loss.value * weight if weight > 0 else batch.logp_PGT.sum() * 0).backward()
        self._sharded.gather_gradients()
        self.masters.gather()
        ratios = [] if idle else log_ratios(batch, own).tolist()
        return _Share(float(loss.value.detach()), weight, dict(loss.metrics), dict(loss.stats), ratios)

    def update(self, order: Update) -> float:
        """Clip and step; returns the gradient's norm over all shards, and changes nothing where it is not finite."""
        square = torch.zeros((), dtype=torch.float64, device=self._sharded.device)
        for p in self.parameters:
            if p.grad is not None:
                p.grad.div_(order.weight)
                square += p.grad.double().square().sum()
        dist.all_reduce(square)
        norm = float(square.sqrt())
        if order.finite and math.isfinite(norm):
            # As torch.nn.utils.clip_grad_norm_ does it.
            scale = min(1.0, self.settings.max_grad_norm / (norm + 1e-6))
            for p in self.parameters:
                if p.grad is not None:
                    p.grad.mul_(scale)
            for group in self.optimizer.param_groups:
                group["lr"] = order.rate
            self.optimizer.step()
            self.masters.write_back()
        self.masters.clear()
        return norm

    @torch.no_grad()
    def give(self, order: Give) -> dict[str, Tensor]:
        """Name -> whole tensor: the masters, or a part of Adam's memory of what it has any of. All ranks get it."""
        key = order.key
        found: dict[str, Tensor] = {}
        for name, p in self.masters.named.items():
            state = self.optimizer.state.get(p)
            if key is None:
                found[name] = _whole(p.detach(), self.shapes[name], self.ranks)
            elif state is not None:
                found[name] = state[key] if key == "step" else _whole(state[key], self.shapes[name], self.ranks)
        return found

    @torch.no_grad()
    def take(self, order: Take, given: Given) -> None:
        """Take the shards of what rank 0 broadcasts; `given` returns that there, by name and key of Adam's memory."""
        self.optimizer.state.clear()
        for name, p in self.masters.named.items():
            p.copy_(self._piece(name, None, given))
            if name in order.remembered:
                step = self._broadcast(name, "step", (), given)
                kept = {key: self._piece(name, key, given).clone() for key in ADAM if key != "step"}
                self.optimizer.state[p] = {"step": step, **kept}
        self.masters.write_back()

    def _piece(self, name: str, key: str | None, given: Given) -> Tensor:
        whole = self._broadcast(name, key, self.shapes[name], given)
        rows = _rows(len(whole), self.ranks)
        return whole[self.rank * rows : (self.rank + 1) * rows]

    def _broadcast(self, name: str, key: str | None, shape: Sequence[int], given: Given) -> Tensor:
        whole = given(name, key) if self.rank == 0 else torch.empty(0)
        held = whole.to(self._sharded.device, torch.float32, copy=True).contiguous() if self.rank == 0 else None
        held = torch.empty(tuple(shape), device=self._sharded.device) if held is None else held
        dist.broadcast(held, src=0)
        return held


class ShardedLearner(Learner):
    """Rank 0's learner, to the run a learner as any other; see `Learner` for its arguments.

    Args:
        policy: whole; it is not sharded itself.
        shard: this process's part, of another copy of the same policy.
    """

    def __init__(self, policy: Policy, *given: Any, shard: Shard, **settings: Any) -> None:
        super().__init__(policy, *given, **settings)
        self._shard = shard

    def _backward(self, objective: Objective, groups: Sequence[Group]) -> Loss:
        """As every rank has found its part."""
        del objective  # every rank has its own
        order = Backward(self.steps, bytes(saved.state_bytes(self.state)), [[to_bytes(t) for t in g] for g in groups])
        share = _ordered(self._shard, order)
        parts = [msgspec.msgpack.decode(data, type=_Share) for data in _gathered(msgspec.msgpack.encode(share))]
        self._log_ratios += [torch.tensor(part.log_ratios, dtype=torch.double) for part in parts]
        weights = [part.weight for part in parts]
        value = _means(({"value": part.value} for part in parts), weights)["value"]
        metrics, stats = (_means((getattr(p, name) for p in parts), weights) for name in ("metrics", "stats"))
        return Loss(torch.tensor(value), sum(weights), metrics, stats)

    def _update(self, metrics: Mapping[str, float], rate: float, weight: float) -> float:
        if weight == 0:
            return 0.0
        finite = math.isfinite(metrics["learner/loss"])
        norm = _ordered(self._shard, Update(rate, weight, finite))
        if not (finite and math.isfinite(norm)):
            raise SteelyardError(
                f"loss {metrics['learner/loss']:.4g} with gradient norm {norm:.4g} at step {self.steps + 1}",
                where="learner",
                hint="lower --learning-rate, or look for extreme rewards",
            )
        self._fetch()
        return norm

    @torch.no_grad()
    def _fetch(self) -> None:
        for name, whole in _ordered(self._shard, Give(None)).items():
            self.masters.named[name].copy_(whole)
        self.masters.write_back()

    def save(self, directory: Path) -> None:
        """As every learner does it, with the memory of all shards."""
        for key in ADAM:
            for name, whole in _ordered(self._shard, Give(key)).items():
                self.optimizer.state.setdefault(self.masters.named[name], {})[key] = whole
        super().save(directory)
        self.optimizer.state.clear()

    def restore(self, directory: Path, *, version: int | None = None) -> None:
        """As every learner does it; each rank takes its shards."""
        super().restore(directory, version=version)
        remembered = [name for name, p in self.masters.named.items() if p in self.optimizer.state]
        _ordered(self._shard, Take(remembered), self._held)
        self.optimizer.state.clear()

    def _held(self, name: str, key: str | None) -> Tensor:
        p = self.masters.named[name]
        return p.detach() if key is None else self.optimizer.state[p][key]

    def close(self) -> None:
        """Let the other ranks end."""
        _broadcast_bytes(msgspec.msgpack.encode(Leave()))


def check_shardable(objective: Objective, *, lora: bool, intervention: bool) -> None:
    """Refuse what is not sharded.

    Raises:
        SteelyardError: one of these is asked for together with several devices.
    """
    needs = needs_of(objective)
    refused: JsonObject = {
        f"{type(objective).__name__}, which learns a head of its own": bool(needs.log_z or needs.value),
        "--lora-rank, whose adapters are small": lora,
        "--intervention": intervention,
    }
    for what, asked in refused.items():
        require(not asked, f"cannot be used with {what}", where="--learner.devices", hint="use 1, or leave that out")


def follow(shard: Shard) -> None:
    """Be a rank above 0 until rank 0 lets it end."""
    while not isinstance(order := _ORDERS.decode(_broadcast_bytes(None)), Leave):
        found = _carry_out(shard, order)
        if isinstance(found, _Share):
            _gathered(msgspec.msgpack.encode(found))


def _nothing(name: str, key: str | None) -> Tensor:
    """What other ranks hold."""
    del name, key
    return torch.empty(0)


def _ordered(shard: Shard, order: Any, given: Given = _nothing) -> Any:
    """Rank 0: have all do it, and do it."""
    _broadcast_bytes(msgspec.msgpack.encode(order))
    return _carry_out(shard, order, given)


def _carry_out(shard: Shard, order: Any, given: Given = _nothing) -> Any:
    match order:
        case Backward():
            return shard.add_gradient(order)
        case Update():
            return shard.update(order)
        case Give():
            return shard.give(order)
        case Take():
            return shard.take(order, given)
    raise AssertionError(order)


# Between processes


def _rows(rows: int, ranks: int) -> int:
    """Rows of a whole parameter in a shard; the last ones have fewer, or none."""
    return -(-rows // ranks)


def _whole(piece: Tensor, shape: Sequence[int], ranks: int) -> Tensor:
    """A tensor of this shape, cut along its first axis, of the shards that all ranks hold."""
    rows = _rows(shape[0], ranks)
    padded = piece.new_zeros((rows, *shape[1:]))
    padded[: len(piece)] = piece
    parts = [torch.empty_like(padded) for _ in range(ranks)]
    dist.all_gather(parts, padded)
    return torch.cat(parts)[: shape[0]]


def _broadcast_bytes(data: bytes | None) -> bytes:
    """Rank 0's bytes."""
    size = torch.tensor(0 if data is None else len(data))
    dist.broadcast(size, src=0)
    block = torch.empty(int(size), dtype=torch.uint8)
    if data is not None:
        block = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    dist.broadcast(block, src=0)
    return block.numpy().tobytes()


def _gathered(data: bytes) -> list[bytes]:
    """Every rank's bytes, in order."""
    ranks = dist.get_world_size()
    sizes = [torch.tensor(0) for _ in range(ranks)]
    dist.all_gather(sizes, torch.tensor(len(data)))
    most = int(max(sizes))
    own = torch.zeros(most, dtype=torch.uint8)
    own[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    blocks = [torch.zeros(most, dtype=torch.uint8) for _ in range(ranks)]
    dist.all_gather(blocks, own)
    return [block[: int(size)].numpy().tobytes() for block, size in zip(blocks, sizes, strict=True)]
