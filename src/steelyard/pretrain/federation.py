"""A federation: clients take turns at one model, each with its own rows, adapters and server between them.

A turn is one client's round: it takes what it shares from the server, trains with a fresh optimizer for some passes
over its rows, and uploads what it shares. After a round's last turn the server averages. One process plays all parts,
so what the server may see is kept apart from what clients keep.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steelyard.core import Group, Trajectory, require
from steelyard.core.auc import auc
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.learner import Learner
from steelyard.learner.given_data import NOT_SAMPLED, epoch_batch
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.fedrand import BOTH, Factor, Sharing

TENSORS = "federation.safetensors"
FACTS = "federation.json"
Adapters = dict[str, Tensor]
"""Name of a parameter -> its numbers."""


@dataclass(frozen=True)
class Passes:
    """What a client does with its rows in a turn."""

    epochs: int
    batch: int
    seed: int


class Federation:
    """The server's adapters, what each client keeps, and whose turn it is.

    Args:
        learner: on a policy with adapters; every client uses it in its turn.
        sharing: what clients share.
        clients: the rows of each.
        passes: what a client does with them.
        rounds: turns of every client.

    Raises:
        SteelyardError: there are no adapters, or a client has no rows.
    """

    def __init__(
        self,
        learner: Learner,
        sharing: Sharing,
        clients: Sequence[Sequence[Trajectory]],
        passes: Passes,
        rounds: int,
    ) -> None:
        self.learner = learner
        self.sharing = sharing
        self.clients = clients
        self.passes = passes
        self.rounds = rounds
        self.steps = 0
        """Turns that are over."""
        self.server = taken(learner.policy)
        of_factors = all(factor_of(name) in BOTH for name in self.server)
        hint = "set a rank above 0"
        require(bool(self.server) and of_factors, "trains other weights than adapters", where="--lora-rank", hint=hint)
        require(len(clients) > 0 and all(clients), "a client has no rows", where="clients", hint="give each some")
        self.own = [dict(self.server) for _ in clients]
        """What each client had at the end of its last round."""
        self.rebuilt: list[Adapters | None] = [None for _ in clients]
        """What the server makes of each client's last upload and of what it held itself."""
        self._uploads: dict[int, Adapters] = {}
        self.uploaded = 0
        """Numbers that were uploaded so far."""

    @property
    def num_steps(self) -> int:
        """Turns of all."""
        return self.rounds * len(self.clients)

    def step(self) -> JsonObject:
        """One client's turn; the round's last one averages."""
        turn, client = divmod(self.steps, len(self.clients))
        shared = self.sharing.drawn(client, turn, self.passes.seed)
        put(self.learner.policy, mixed(self.server, self.own[client], shared))
        metrics = self._trained(client, turn)
        self.own[client] = taken(self.learner.policy)
        upload = {name: tensor for name, tensor in self.own[client].items() if factor_of(name) in shared}
        self._uploads[client] = upload
        self.uploaded += sum(tensor.numel() for tensor in upload.values())
        self.rebuilt[client] = {**self.server, **upload}
        self.steps += 1
        if self.steps % len(self.clients) == 0:
            self._average()
        return metrics | {"learner/round": turn, "learner/client": client, "learner/shares_a": int("A" in shared)}

    def _trained(self, client: int, turn: int) -> JsonObject:
        """Train the policy on a client's rows; returns means over its steps."""
        rows, passes = self.clients[client], self.passes
        a_pass = -(-len(rows) // passes.batch)
        self.learner.optimizer.state.clear()
        found: list[JsonObject] = []
        for step in range(turn * passes.epochs * a_pass, (turn + 1) * passes.epochs * a_pass):
            places = epoch_batch(step, len(rows), passes.batch, passes.seed, f"client-{client}")
            groups: list[Group] = [[rows[i]] for i in places]
            found.append(self.learner.step(groups))
        numbers = [name for name, value in found[0].items() if isinstance(value, float)]
        return {
            name: float(np.mean([row[name] for row in found])) for name in numbers if not name.startswith(NOT_SAMPLED)
        }

    def _average(self) -> None:
        for name in self.server:
            uploads = [(len(self.clients[k]), upload[name]) for k, upload in self._uploads.items() if name in upload]
            if uploads:
                whole = sum(rows for rows, _ in uploads)
                self.server[name] = torch.stack([rows / whole * tensor for rows, tensor in uploads]).sum(0)
        self._uploads = {}

    @contextmanager
    def holding(self, adapters: Mapping[str, Tensor]) -> Iterator[Policy]:
        """Inside the `with`, the policy has these adapters; afterwards the server's."""
        put(self.learner.policy, adapters)
        try:
            yield self.learner.policy
        finally:
            put(self.learner.policy, self.server)

    def save(self, directory: Path) -> None:
        """Write the adapters of all, and the numbers beside them."""
        from safetensors.torch import save_file

        parts: dict[str, Adapters] = {"server": self.server}
        for k, own in enumerate(self.own):
            parts[f"own.{k}"] = own
            parts[f"rebuilt.{k}"] = self.rebuilt[k] or {}
            parts[f"upload.{k}"] = self._uploads.get(k, {})
        tensors = {f"{part}/{name}": x.clone() for part, found in parts.items() for name, x in found.items()}
        save_file(tensors, directory / TENSORS)
        facts = {"turns": self.steps, "learner": self.learner.steps, "uploaded": self.uploaded}
        (directory / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing, damaged, or of another model or other clients.
        """
        hint = "go on from another checkpoint"
        with file_errors("holds no federation", where=str(directory), hint=hint):
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            tensors = read_tensors(directory / TENSORS)
            turns, steps, uploaded = (int(facts[name]) for name in ("turns", "learner", "uploaded"))
        parts = {name: below(f"{name}/", tensors) for name in ("server", *(f"own.{k}" for k in range(len(self.own))))}
        for found in parts.values():
            same = {n: x.shape for n, x in found.items()} == {n: x.shape for n, x in self.server.items()}
            require(same, "is of another model or other clients", where=str(directory), hint=hint)
        self.server = parts["server"]
        self.own = [parts[f"own.{k}"] for k in range(len(self.own))]
        self.rebuilt = [below(f"rebuilt.{k}/", tensors) or None for k in range(len(self.own))]
        uploads = {k: below(f"upload.{k}/", tensors) for k in range(len(self.own))}
        self._uploads = {k: upload for k, upload in uploads.items() if upload}
        self.steps, self.uploaded = turns, uploaded
        self.learner.steps = self.learner.version = steps
        put(self.learner.policy, self.server)


@dataclass(frozen=True)
class Exposure:
    """How well somebody who has a client's adapters, or thinks so, tells the client's rows from others."""

    rebuilt: float
    """AUC, a mean over clients, by the models that the server rebuilds."""
    own: float
    """By the models that the clients ended with, which a server sees that is told both factors."""

    @classmethod
    def of(cls, federation: Federation, others: Sequence[Trajectory]) -> "Exposure | None":
        """Attack every client by the loss of rows; None before each has uploaded something.

        Args:
            federation: its clients' rows are the members.
            others: rows of the same kind that nobody has.
        """
        rebuilt = [adapters for adapters in federation.rebuilt if adapters is not None]
        if len(rebuilt) < len(federation.clients):
            return None
        return cls(*(attacked(federation, adapters, others) for adapters in (rebuilt, federation.own)))


def attacked(federation: Federation, adapters: Sequence[Adapters], others: Sequence[Trajectory]) -> float:
    """The mean AUC over clients: a row that is likelier, by the mean of its tokens, counts as a client's own."""
    found = []
    for rows, guess in zip(federation.clients, adapters, strict=True):
        with federation.holding(guess) as policy:
            found.append(auc(*(total_logp(policy, part) / num_actions(part) for part in (rows, others))))
    return float(np.mean(found))


def factor_of(name: str) -> Factor | str:
    """A or B, by a parameter's name; whatever else, where it is of no adapter."""
    return next((factor for factor in BOTH if f".lora_{factor}." in name), name)


def mixed(server: Adapters, own: Adapters, shared: Sequence[Factor]) -> Adapters:
    """What a client begins with."""
    return {name: server[name] if factor_of(name) in shared else own[name] for name in server}


def taken(policy: Policy) -> Adapters:
    """A copy of the adapters, on the host."""
    return {name: p.detach().cpu().clone() for name, p in policy.trainable().items()}


@torch.no_grad()
def put(policy: Policy, adapters: Mapping[str, Tensor]) -> None:
    """Give a policy these adapters."""
    for name, p in policy.trainable().items():
        p.copy_(adapters[name])


def below(prefix: str, tensors: Mapping[str, Tensor]) -> Adapters:
    """The tensors whose names begin so, without it."""
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
